from pathlib import Path

import pytest

from litseg.cli.main import main
from tests.cli.conftest import TINY, TINY_SHAPES, RunTrain, only_run
from tests.results.run_folders import evaluated, trained


def test_the_report_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = evaluated(trained(tmp_path / "run"))
    assert main(["report", f"run={folder}"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def test_a_comparison_at_another_place(tmp_path: Path) -> None:
    one, other = trained(tmp_path / "one"), trained(tmp_path / "other")
    assert main(["report", f"runs=[{one}, {other}]", f"output={tmp_path / 'both.html'}"]) == 0
    assert "litseg comparison" in (tmp_path / "both.html").read_text()
    assert not (one / "comparison.html").exists()


@pytest.mark.parametrize(("words", "message"), [
    (["rum=x"], "did you mean run=...?"),
    (["output=x.html"], "expected run=FOLDER"),
    (["run=a", "runs=[a,b]"], "expected run=FOLDER"),
    (["runs=[a]"], "expected two folders"),
    (["run=nowhere"], "expected a run folder"),
    (["run="], "cannot read 'run='"),
])  # fmt: skip
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", *words]) == 2
    assert message in capsys.readouterr().err


def test_an_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained(tmp_path / "run")
    assert main(["report", f"run={folder}", f"output={tmp_path / 'none' / 'x.html'}"]) == 2
    assert "set output to a file that can be written" in capsys.readouterr().err


def test_help_and_a_near_miss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--help"]) == 0
    assert "runs=[A,B]" in capsys.readouterr().out
    assert main(["reprot"]) == 2
    assert "did you mean report?" in capsys.readouterr().err


def test_figures_and_a_report_of_a_real_run(run_train: RunTrain, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert run_train("experiment=unet_ce", "logger=tensorboard", *TINY[1:], *TINY_SHAPES) == 0
    folder = only_run(tmp_path)
    assert (folder / "figures" / "confusion_matrix.png").stat().st_size > 5000
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    (picture,) = folder.glob("predictions/*.png")
    assert set(events.Tags()["images"]) == {"test/confusion_matrix", f"test/predictions/{picture.stem}"}
    assert main(["report", f"run={folder}"]) == 0
    text = (folder / "report.html").read_text()
    assert "test mIoU" in text
    assert "cannot be" not in text
