import json
from pathlib import Path

import pytest

from litseg.results import write_status
from litseg.sweeps.trial_run import epoch_values, is_at_work, is_finished, last_error, objective_value, runs


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for name in ("20260101-1-x", "20260102-1-x"):
        folder = tmp_path / "unet_ce" / name
        folder.mkdir(parents=True)
        write_status(folder, {"state": "running"})
    return folder


def test_a_trial_is_finished_when_a_run_of_it_is(tmp_path: Path, run: Path) -> None:
    assert [each.name for each in runs(tmp_path)] == ["20260102-1-x", "20260101-1-x"]
    assert not is_finished(tmp_path)
    write_status(run, {"state": "finished"})
    assert is_finished(tmp_path)
    assert not is_finished(tmp_path / "unet_ce")
    assert runs(tmp_path / "nowhere") == []


def test_a_finished_run_counts_beside_a_newer_one_that_is_not(tmp_path: Path, run: Path) -> None:
    older = run.with_name("20260101-1-x")
    write_status(older, {"state": "finished"})
    (older / "result.json").write_text(json.dumps({"metrics": {"val": {"miou": 0.5}}}))
    assert is_finished(tmp_path)
    assert objective_value(tmp_path, "val/miou") == 0.5


def test_only_epochs_that_are_over_have_a_score(tmp_path: Path, run: Path) -> None:
    assert epoch_values(tmp_path, "val/miou") == {}
    rows = ["0,3,,0.1", "0,7,,0.2", "0,7,1.5,", "1,15,,nan", "1,15,1.4,", "2,23,,0.3", "2,23,1.3,", "3,24,,0.3", "4,2"]
    (run / "metrics.csv").write_text("epoch,step,train/loss,val/miou\n" + "\n".join(rows))
    assert epoch_values(tmp_path, "val/miou") == {1: 0.1, 3: 0.3}
    assert epoch_values(tmp_path, "val/mdice") == {}


@pytest.mark.parametrize(("value", "read"), [(0.25, 0.25), (None, None), ("x", None), (float("nan"), None)])
def test_the_objective_is_that_of_the_result(tmp_path: Path, run: Path, value: object, read: float | None) -> None:
    assert objective_value(tmp_path, "val/miou") is None
    (run / "result.json").write_text(json.dumps({"metrics": {"val": {"miou": value}}}))
    assert objective_value(tmp_path, "val/miou") == read
    assert objective_value(tmp_path, "val/mdice") is None


def test_the_last_error_of_a_log_is_its_reason(tmp_path: Path) -> None:
    assert last_error(tmp_path) == ""
    (tmp_path / "job.log").write_text("error: old\nTraceback\n  File x\ntorch.cuda.Error: none left\nbye\n")
    assert last_error(tmp_path) == "torch.cuda.Error: none left"
    (tmp_path / "job.log").write_text("error: data: " + "x" * 400)
    assert last_error(tmp_path) == "data: " + "x" * 194


def test_a_run_that_another_process_holds_is_at_work(tmp_path: Path, run: Path) -> None:
    import subprocess
    import sys

    assert not is_at_work(tmp_path)
    code = (
        "import sys; from pathlib import Path; from litseg.results import lock; held = lock(Path(sys.argv[1]))\n"
        "print(held is not None, flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"True\n"
    assert is_at_work(tmp_path)
    holder.communicate()
    assert not is_at_work(tmp_path)
