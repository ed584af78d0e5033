"""A training that is broken off anywhere and resumed ends as one that is not: bit for bit, with the same scores."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from litseg.data import DataModule
from litseg.data.sets.shapes import Shapes
from litseg.training import Checkpoints, SeededSteps, WeightAverage, WholeFiles, newest_checkpoint, schedule
from tests.training.fitting import small_module, trainer_for


class PowerCutError(Exception):
    pass


class CutAfter(Callback):
    """Breaks the training off at a moment: `train`, `val` or `epoch start`, after so many of them."""

    def __init__(self, moment: str, count: int) -> None:
        self.moment, self.count = moment, count

    def _count(self, moment: str) -> None:
        self.count -= moment == self.moment
        if moment == self.moment and self.count == 0:
            raise PowerCutError

    def on_train_batch_start(self, *_: Any) -> None:
        self._count("train")

    def on_validation_batch_end(self, *_: Any) -> None:
        self._count("val")

    def on_train_epoch_end(self, *_: Any) -> None:
        self._count("epoch end")


class Seen(Callback):
    """What a training logs and draws."""

    def __init__(self) -> None:
        self.ids: list[tuple[int, str]] = []
        self.scores: dict[int, dict[str, float]] = {}

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        self.ids += [(trainer.current_epoch, name) for name in batch["id"]]

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        self._take(trainer, trainer.current_epoch - 1)

    def on_train_end(self, trainer: Any, module: Any) -> None:
        self._take(trainer, 2)

    def _take(self, trainer: Any, epoch: int) -> None:
        if "train/loss" in trainer.callback_metrics:
            self.scores[epoch] = {key: float(value) for key, value in trainer.callback_metrics.items()}


def _train(
    folder: Path, *, cut: Callback | None = None, workers: int = 0, average: bool = False, **options: Any
) -> Any:
    """Three epochs of 7 batches, a checkpoint after every third step; from the newest one that is there."""
    data = DataModule(Shapes(size=32, train=14, val=4, test=2), [], batch_size=2, workers=workers)
    torch.manual_seed(0)
    module = small_module(
        optimizer=lambda groups: torch.optim.AdamW(groups, lr=0.01),
        scheduler=lambda optimizer, total_steps: schedule(optimizer, total_steps, "one_cycle"),
    )
    checkpoints = Checkpoints(str(folder), monitor="val/loss", mode="min", every_steps=3)
    seen = Seen()
    callbacks = [checkpoints, seen, SeededSteps(0)] + ([cut] if cut else []) + ([WeightAverage(0.5)] if average else [])
    trainer = trainer_for(
        folder, max_epochs=3, callbacks=callbacks, plugins=[WholeFiles()], enable_checkpointing=True, **options
    )
    path, _ = newest_checkpoint(folder)
    trainer.fit(module, datamodule=data, ckpt_path=path)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    best = torch.load(checkpoints.best_path(), weights_only=True)["state_dict"]
    return state, best, seen, trainer, checkpoints


def _assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


CUTS = [("train", count) for count in range(1, 22)] + [("val", count) for count in (1, 2, 3, 4, 6)] + [
    ("epoch end", count) for count in (1, 2, 3)
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _train(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(("moment", "count"), CUTS)
def test_cut_anywhere_and_resumed(whole: Any, tmp_path: Path, moment: str, count: int) -> None:
    with pytest.raises(PowerCutError):
        _train(tmp_path, cut=CutAfter(moment, count))
    state, best, seen, trainer, checkpoints = _train(tmp_path)
    _assert_equal(state, whole[0])
    _assert_equal(best, whole[1])
    assert (trainer.current_epoch, trainer.global_step) == (3, 21)
    assert (checkpoints.best_step, checkpoints.best_value) == (whole[4].best_step, whole[4].best_value)
    assert seen.ids == whole[2].ids[len(whole[2].ids) - len(seen.ids) :]
    for epoch, scores in seen.scores.items():
        assert scores == pytest.approx(whole[2].scores[epoch], abs=1e-6), epoch


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"accumulate_grad_batches": 2}, 9),
        ({"accumulate_grad_batches": 2}, 14),
        ({"average": True}, 12),
        ({"workers": 2}, 11),
        ({"precision": "bf16-mixed"}, 5),
        ({"check_val_every_n_epoch": 2}, 17),
        ({"val_check_interval": 3}, 12),
        ({"max_steps": 17}, 16),
    ],
    ids=str,
)
def test_recipes_resume_exactly(tmp_path: Path, options: dict[str, Any], count: int) -> None:
    expected = _train(tmp_path / "whole", **options)
    with pytest.raises(PowerCutError):
        _train(tmp_path / "cut", cut=CutAfter("train", count), **options)
    found = _train(tmp_path / "cut", **options)
    _assert_equal(found[0], expected[0])
    _assert_equal(found[1], expected[1])
    assert found[3].global_step == expected[3].global_step


def test_a_complete_training_does_not_go_on(whole: Any, tmp_path: Path) -> None:
    """Stopped early: its epochs are not all done, and yet it is complete."""

    class StopEarly(Callback):
        def on_validation_end(self, trainer: Any, *_: Any) -> None:
            trainer.should_stop = True

    first = _train(tmp_path, cut=StopEarly())
    again = _train(tmp_path)
    assert first[3].global_step == again[3].global_step == 7
    assert again[2].ids == []
    _assert_equal(first[0], again[0])
