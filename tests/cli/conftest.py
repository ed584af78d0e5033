"""Runs the command line inside the test process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TINY = (
    "logger=csv", "trainer=cpu", "trainer.max_epochs=1", "+trainer.limit_val_batches=2",
    "+trainer.limit_test_batches=2", "loader.batch_size=2", "loader.workers=0", "pictures=1",
)  # fmt: skip
TINY_SHAPES = ("data.size=64", "data.train=4", "data.val=2", "data.test=2")

RunTrain = Callable[..., int]


@pytest.fixture
def run_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunTrain:
    """`run_train("experiment=unet_ce", ...)` in an empty folder; returns the exit code."""
    from litseg.cli.open_run import CHECKPOINT, RUN_FOLDER
    from litseg.cli.train import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    for name in (RUN_FOLDER, CHECKPOINT):
        monkeypatch.setenv(name, "")

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["train.py", *words])
        return main()

    return run


def only_run(folder: Path) -> Path:
    """The one run folder below `folder`/outputs."""
    (found,) = [path.parent for path in (folder / "outputs").glob("*/*/status.json")]
    return found
