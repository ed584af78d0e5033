import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from litseg.training import Checkpoints, NonFiniteError, WholeFiles
from litseg.training.checkpoints import SaveError
from tests.training.fitting import small_data, small_module, trainer_for


def _train(folder: Path, callbacks: list[Callback], **options: Any) -> Any:
    trainer = trainer_for(
        folder, callbacks=callbacks, plugins=[WholeFiles(config_hash="abc")], enable_checkpointing=True,
        **{"max_epochs": 2} | options,
    )  # fmt: skip
    trainer.fit(small_module(), datamodule=small_data(8))
    return trainer


def test_what_stays_after_a_training(tmp_path: Path) -> None:
    """Two epochs of four steps, a checkpoint after every step that neither ends an epoch nor precedes validation."""
    folder = tmp_path / "checkpoints"
    checkpoints = Checkpoints(str(folder), monitor="val/loss", mode="min", every_steps=1)
    _train(tmp_path, [checkpoints])
    assert [path.name for path in sorted(folder.glob("step-*.ckpt"))] == ["step-00000007.ckpt", "step-00000008.ckpt"]
    assert (folder / "last.ckpt").resolve().name == "step-00000008.ckpt"
    assert (folder / "best.ckpt").resolve() == checkpoints.best_path()
    about = json.loads((folder / "step-00000008.json").read_text())
    assert (about["step"], about["config_hash"], about["best_step"]) == (8, "abc", checkpoints.best_step)
    last, best = (torch.load(folder / f"{name}.ckpt", weights_only=True) for name in ("last", "best"))
    assert "optimizer_states" in last
    assert "optimizer_states" not in best
    assert checkpoints.seconds > 0


@pytest.mark.parametrize(("mode", "best"), [("max", 4), ("min", 8)])
def test_the_best_is_of_the_mode(tmp_path: Path, mode: str, best: int) -> None:
    """The validation loss falls, so that the largest is that of the first epoch."""
    checkpoints = Checkpoints(str(tmp_path), monitor="val/loss", mode=mode)
    _train(tmp_path, [checkpoints])
    assert checkpoints.best_step == best


def test_without_a_monitor_the_last_is_the_best(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path), monitor=None)
    _train(tmp_path, [checkpoints])
    assert checkpoints.best_path().name == "best-00000008.ckpt"


class Block(Callback):
    """Puts a file where the folder is, before some steps; the folder comes back after them."""

    def __init__(self, folder: Path, steps: range) -> None:
        self.folder, self.steps = folder, steps

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        away = self.folder.with_name("away")
        if trainer.global_step == self.steps.start:
            shutil.move(self.folder, away)
            self.folder.write_text("")
        elif trainer.global_step == self.steps.stop:
            self.folder.unlink()
            shutil.move(away, self.folder)


def test_a_folder_that_cannot_be_written_for_a_while_costs_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "checkpoints"
    checkpoints = Checkpoints(str(folder), monitor="val/loss", every_steps=1)
    with caplog.at_level(logging.WARNING):
        _train(tmp_path, [Block(folder, range(1, 3)), checkpoints])
    assert caplog.text.count("the older checkpoints stay") == 2
    assert checkpoints.failures == 0
    assert (folder / "last.ckpt").resolve().name == "step-00000008.ckpt"


def test_three_failures_in_a_row_stop_the_training(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    with pytest.raises(SaveError, match="3 failures in a row"):
        _train(tmp_path, [Block(folder, range(1, 99)), Checkpoints(str(folder), monitor="val/loss", every_steps=1)])


class Spoil(Callback):
    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        if trainer.global_step == 2:
            with torch.no_grad():
                next(module.parameters())[0] = float("nan")


def test_weights_that_are_not_finite_are_never_the_last(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path), monitor="val/loss", every_steps=1)
    with pytest.raises(NonFiniteError):
        _train(tmp_path, [Spoil(), checkpoints])
    assert (tmp_path / "last.ckpt").resolve().name == "step-00000001.ckpt"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mode": "largest"}, "expected min or max"), ({"every_minutes": 0.0}, "above 0"), ({"keep": 0}, "from 1")],
)
def test_wrong_settings(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Checkpoints("x", **options)
