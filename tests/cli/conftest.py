"""Runs the command line inside the test process."""

import shutil
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
    from litseg.cli.train import main
    from litseg.cli.training.open_run import CHECKPOINT, RUN_FOLDER

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    for name in (RUN_FOLDER, CHECKPOINT):
        monkeypatch.setenv(name, "")

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["train.py", *words])
        return main()

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the embedded data, made once; see `tiny_run`."""
    from litseg.cli.train import main

    output = tmp_path_factory.mktemp("trained")
    words = ("experiment=unet_ce", "logger=csv", "trainer=cpu", "trainer.max_epochs=1", "loader.batch_size=2",
             "loader.workers=0", "pictures=0", "data.size=64", "data.train=6", "data.val=3", "data.test=5")  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITSEG_RUN_FOLDER", "")
        patch.setenv("LITSEG_CHECKPOINT", "")
        patch.chdir(output)
        patch.setattr(sys, "argv", ["train.py", *words])
        assert main() == 0
    return only_run(output)


@pytest.fixture
def tiny_run(trained: Path, tmp_path: Path) -> Path:
    """A run folder of its own for each test: 3 steps of a U-Net, 3 images of val and 5 of test, 64 x 64, 6 classes."""
    return Path(shutil.copytree(trained, tmp_path / "run", symlinks=True))


def only_run(folder: Path) -> Path:
    """The one run folder below `folder`/outputs."""
    (found,) = [path.parent for path in (folder / "outputs").glob("*/*/status.json")]
    return found
