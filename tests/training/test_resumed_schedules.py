"""Every shipped schedule through a Trainer: what a resumed run's learning rates are, step by step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import OmegaConf
from torch import nn

from litseg.losses import CrossEntropyLoss
from litseg.metrics import SegmentationMetrics
from litseg.models import SegmentationModel
from litseg.training import Plateau, SegmentationModule
from tests.training.fitting import small_data, trainer_for

SCHEDULES = sorted((Path(__file__).parents[2] / "conf" / "scheduler").glob("*.yaml"))
EPOCHS, STEPS = 4, 5
"""Steps are those of an epoch, without accumulation."""


class _Rates(Callback):
    """The learning rate that each optimizer step had, by its number."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self.at[trainer.global_step] = optimizer.param_groups[0]["lr"]


def _module(make: Any) -> SegmentationModule:
    torch.manual_seed(0)
    return SegmentationModule(
        SegmentationModel(nn.Sequential(nn.Conv2d(3, 6, 1)), [127.5], [60.0]),
        CrossEntropyLoss(),
        SegmentationMetrics([f"class{index}" for index in range(6)], "multiclass"),
        "multiclass",
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9),
        scheduler=make,
    )


def _schedule(path: Path, warmup_steps: float = 3) -> Any:
    """As Hydra makes it; a plateau that nothing improves after its first value."""
    settings = OmegaConf.load(path)
    assert "warmup_steps" in settings or path.stem == "one_cycle"
    if path.stem != "one_cycle":
        settings.warmup_steps = warmup_steps
    if path.stem == "plateau":
        settings.update({"factor": 0.5, "patience": 1, "min_delta": 100.0})
    return instantiate(settings, _partial_=True)


def _fit(folder: Path, make: Any, resumed: Path | None = None, **options: Any) -> dict[int, float]:
    rates, epochs = _Rates(), options.pop("max_epochs", EPOCHS)
    callbacks: list[Callback] = [rates]
    if resumed is None:  # after each step, each validation and each epoch
        common: dict[str, Any] = {"dirpath": folder, "save_top_k": -1, "auto_insert_metric_name": False}
        in_epoch = common | {"save_on_train_epoch_end": False}
        callbacks += [
            ModelCheckpoint(filename="step{step}", every_n_train_steps=1, **in_epoch),
            ModelCheckpoint(filename="validated{epoch}", monitor="val/loss", **in_epoch),
            ModelCheckpoint(filename="end{epoch}", save_on_train_epoch_end=True, **common),
        ]
    trainer = trainer_for(
        folder, max_epochs=epochs, enable_checkpointing=resumed is None, callbacks=callbacks, **options
    )
    trainer.fit(_module(make), datamodule=small_data(train=2 * STEPS), ckpt_path=resumed)
    return rates.at


pytestmark = [
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks"),  # a resumed run saves none
    pytest.mark.filterwarnings("ignore:The ..compute.. method of metric"),  # the epoch's first part has other metrics
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended"),
]


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("path", SCHEDULES, ids=lambda path: path.stem)
def test_a_resumed_run_has_the_rates_of_an_uninterrupted_one(path: Path, accumulated: int, tmp_path: Path) -> None:
    """Resumed in the warm-up, in the middle of an epoch, after a validation and at the end of an epoch."""
    options: dict[str, Any] = {"accumulate_grad_batches": accumulated}
    whole = _fit(tmp_path / "whole", _schedule(path), **options)
    of_epoch = -(-STEPS // accumulated)
    assert sorted(whole) == list(range(EPOCHS * of_epoch))
    if path.stem != "constant":
        assert len(set(whole.values())) > 3
    names = {"step1": 1, f"step{of_epoch + 1}": of_epoch + 1, "validated1": 2 * of_epoch, "end2": 3 * of_epoch}
    for name, first in names.items():
        resumed = _fit(tmp_path / name, _schedule(path), resumed=tmp_path / "whole" / f"{name}.ckpt", **options)
        assert resumed == {step: rate for step, rate in whole.items() if step >= first}


def test_a_plateau_is_exact_at_the_start_half_way_and_at_the_end(tmp_path: Path) -> None:
    """Of the validations after steps 2, 4, 7, 9, 12, 14, 17 and 19 the first sets the mark and the second is in the
    warm-up; then every second one is one too many."""
    path = next(path for path in SCHEDULES if path.stem == "plateau")
    rates = _fit(tmp_path, _schedule(path, warmup_steps=7), val_check_interval=2)
    expected = [0.05 * (step + 1) / 8 for step in range(7)] + [0.05] * 2 + [0.025] * 5 + [0.0125] * 5 + [0.00625]
    assert [rates[step] for step in range(20)] == pytest.approx(expected, rel=1e-12)


def test_a_plateau_is_not_told_of_the_sanity_check_nor_after_training(tmp_path: Path) -> None:
    told: list[float] = []

    class _Told(Plateau):
        def validated(self, value: float) -> None:
            told.append(value)
            super().validated(value)

    module = _module(lambda optimizer, total_steps: _Told(optimizer, total_steps, "val/loss", "min"))
    trainer = trainer_for(tmp_path, max_epochs=2, num_sanity_val_steps=1)
    trainer.fit(module, datamodule=small_data(train=4))
    assert told[-1] == float(trainer.callback_metrics["val/loss"])
    trainer.validate(module, datamodule=small_data(train=4), verbose=False)
    assert len(told) == 2
