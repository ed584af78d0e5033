"""Whole runs on a disk that fills up or turns read-only: a real one, of a few megabytes in memory."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from litseg.training.checkpoint_files import verify
from tests.cli.conftest import RunTrain
from tests.cli.training.test_resume import SMALL, TRUST

pytestmark = pytest.mark.faults
WORDS = (*SMALL, "callbacks.checkpoint.every_steps=1")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory is a disk of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("only root may mount")
    monkeypatch.chdir(folder)
    yield folder
    monkeypatch.chdir(tmp_path)
    subprocess.run(["umount", "--recursive", "--lazy", str(folder)], check=True)


@pytest.fixture
def expect(run_train: RunTrain, tmp_path: Path) -> Callable[[Path], None]:
    """`expect(folder)`: that run has the weights and scores of one that nothing happened to."""
    assert run_train(*SMALL, "name=whole", f"output={tmp_path / 'whole'}") == 0
    (whole,) = tmp_path.glob("whole/*/*-whole")

    def check(folder: Path) -> None:
        for name in ("last.ckpt", "best.ckpt"):
            ends = [
                torch.load(each / "checkpoints" / name, weights_only=True)["state_dict"] for each in (whole, folder)
            ]
            assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
        scores = [json.loads((each / "result.json").read_text())["metrics"] for each in (whole, folder)]
        assert scores[0] == scores[1]

    return check


def _only_run(disk: Path) -> Path:
    (found,) = disk.glob("outputs/*/*/config.yaml")
    return found.parent


def _said(capfd: pytest.CaptureFixture[str]) -> str:
    """Everything on the terminal; no traceback among it."""
    words = "".join(capfd.readouterr())
    assert "Traceback" not in words
    assert "Logging error" not in words
    return words


def _steps(folder: Path) -> list[int]:
    """Of the checkpoints, which are all whole."""
    paths = sorted((folder / "checkpoints").glob("step-*.ckpt"))
    assert [verify(path) for path in paths] == [None] * len(paths)
    assert not list((folder / "checkpoints").glob(".*"))
    return [int(path.stem.split("-")[1]) for path in paths]


def test_a_disk_that_is_full_for_two_checkpoints_costs_nothing_but_those(
    expect: Callable[[Path], None], disk: Path, run_train: RunTrain, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("FAULT", "full")
    monkeypatch.chdir(disk)
    assert run_train(*WORDS, "callbacks.fault.step=1", "+callbacks.fault.until=3") == 0
    words = _said(capfd)
    assert words.count("the older checkpoints stay, training goes on") == 2
    expect(_only_run(disk))


def test_a_disk_that_stays_full_ends_the_run_and_a_resume_finishes_it(
    expect: Callable[[Path], None], disk: Path, run_train: RunTrain, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("FAULT", "full")
    monkeypatch.chdir(disk)
    assert run_train(*WORDS, "callbacks.fault.step=1") == 75
    folder = _only_run(disk)
    words = _said(capfd)
    assert words.count("error:") == 1
    assert "3 failures in a row" in words
    assert f"resume={folder}" in words
    assert _steps(folder) == [1]
    config = (folder / "config.yaml").read_text()
    monkeypatch.delenv("FAULT")
    assert run_train(f"resume={folder}", TRUST) == 75  # still full
    assert "No space left on device" in _said(capfd)
    assert (folder / "config.yaml").read_text() == config
    (disk / "filler").unlink()
    assert run_train(f"resume={folder}", TRUST) == 0
    assert "resumed from step-00000001.ckpt" in _said(capfd)
    expect(folder)


def test_a_disk_that_is_full_when_the_results_come(
    expect: Callable[[Path], None], disk: Path, run_train: RunTrain, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("FAULT", "full in test")
    monkeypatch.chdir(disk)
    assert run_train(*WORDS) == 75
    folder = _only_run(disk)
    words = _said(capfd)
    assert "cannot write pictures" in words
    assert words.count("error:") == 1
    assert not list(folder.glob("result.json"))
    (disk / "filler").unlink()
    monkeypatch.delenv("FAULT")
    assert run_train(f"resume={folder}", TRUST) == 0
    assert list((folder / "predictions").glob("*.png"))
    expect(folder)


@pytest.mark.parametrize("what", ["checkpoints", "."])
def test_a_folder_that_turns_read_only(
    what: str, expect: Callable[[Path], None], disk: Path, run_train: RunTrain, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The checkpoints alone, or the whole run folder."""
    monkeypatch.setenv("FAULT", f"read-only {what}")
    monkeypatch.chdir(disk)
    assert run_train(*WORDS, "callbacks.fault.step=1") == 75
    folder = _only_run(disk)
    words = _said(capfd)
    assert words.count("error:") == 1
    assert "Read-only file system" in words
    subprocess.run(["umount", "--lazy", str((folder / what).resolve())], check=True)
    assert _steps(folder) == [1]
    monkeypatch.delenv("FAULT")
    assert run_train(f"resume={folder}", TRUST) == 0
    expect(folder)
