"""Steps, stops and penalties in a real training."""

import logging
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping

from litseg.losses import CompoundLoss, CrossEntropyLoss
from litseg.training import Plateau, schedule
from litseg.training.weight_penalty import weight_penalty
from tests.training.fitting import small_data, trainer_for, unet_module


class _Rates(Callback):
    """The learning rate of each optimizer step and after each epoch."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.epochs: list[float] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self.steps.append(optimizer.param_groups[0]["lr"])

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.epochs.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_schedules_count_optimizer_steps_also_where_batches_are_accumulated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """5 batches an epoch, 2 to a step: 3 steps an epoch, the last of one batch."""
    rates = _Rates()
    module = unet_module(scheduler=lambda optimizer, total_steps: schedule(optimizer, total_steps, "poly", power=1.0))
    trainer = trainer_for(tmp_path, max_epochs=2, accumulate_grad_batches=2, callbacks=[rates])
    with caplog.at_level(logging.INFO, "litseg"):
        trainer.fit(module, datamodule=small_data(train=10))
    assert trainer.global_step == 6
    assert rates.steps == pytest.approx([0.05 * (1 - step / 6) for step in range(6)])
    assert module.trainer.optimizers[0].param_groups[0]["lr"] == 0.0
    assert "schedule over 6 optimizer steps" in caplog.messages
    assert any(line.startswith("optimizer SGD: group") and "rate 0.05, weight decay 0.01" in line
               for line in caplog.messages)  # fmt: skip


def test_a_plateau_follows_the_validations_also_those_of_every_second_epoch(tmp_path: Path) -> None:
    """A threshold that no loss can beat: after patience 0 the second validation and each after it drops the rate."""
    rates = _Rates()

    def plateau(optimizer: Any, total_steps: int) -> Plateau:
        return Plateau(optimizer, total_steps, "val/loss", "min", factor=0.5, patience=0, min_delta=100)

    trainer = trainer_for(tmp_path, max_epochs=7, check_val_every_n_epoch=2, callbacks=[rates])
    trainer.fit(unet_module(scheduler=plateau), datamodule=small_data(train=4))
    assert rates.epochs == pytest.approx([0.05] * 4 + [0.025] * 2 + [0.0125])


def test_early_stopping_ends_after_its_patience(tmp_path: Path) -> None:
    stop = EarlyStopping("val/miou", min_delta=2.0, patience=2, mode="max")
    trainer = trainer_for(tmp_path, max_epochs=9, callbacks=[stop])
    trainer.fit(unet_module(), datamodule=small_data(train=4))
    assert trainer.current_epoch == 3  # the first sets the mark, two do not beat it


def test_the_penalty_is_a_logged_term_of_the_training_loss_only(tmp_path: Path) -> None:
    module = unet_module(l1=1e-3, l2=1e-2, optimizer=_standing)
    expected = float(weight_penalty(module.model, 1e-3, 1e-2).detach())
    trainer = trainer_for(tmp_path)
    trainer.fit(module, datamodule=small_data(train=4))
    values = trainer.callback_metrics
    assert expected > 1
    assert float(values["train/loss/penalty"]) == pytest.approx(expected, rel=1e-5)
    assert float(values["train/loss"]) > expected
    assert "val/loss/penalty" not in values
    assert float(values["val/loss"]) < expected
    assert "loss/penalty" not in module.value_names()
    with pytest.raises(ValueError, match=r"weight_penalty: expected l1 and l2 of at least 0, got l1 -1"):
        unet_module(l1=-1)


def _standing(groups: Any) -> Any:
    from torch.optim import SGD

    return SGD(groups, lr=0.0)


def test_auxiliary_heads_add_a_logged_term_to_the_training_loss_only(tmp_path: Path) -> None:
    """Three heads stand still: the term is their sum, and enters with its weight."""
    module = unet_module(heads=3, optimizer=_standing, auxiliary_weight=0.25)
    trainer = trainer_for(tmp_path)
    trainer.fit(module, datamodule=small_data(train=4))
    values = trainer.callback_metrics
    without = unet_module(optimizer=_standing)
    trainer_for(tmp_path).fit(without, datamodule=small_data(train=4))
    plain = without.trainer.callback_metrics
    assert float(values["train/loss/auxiliary"]) > 3.0  # each about log 6
    expected = plain["train/loss"] + 0.25 * values["train/loss/auxiliary"]
    assert float(values["train/loss"]) == pytest.approx(float(expected), rel=1e-5)
    assert "val/loss/auxiliary" not in values
    assert float(values["val/loss"]) == pytest.approx(float(plain["val/loss"]), rel=1e-6)
    assert "loss/auxiliary" not in module.value_names()


def test_auxiliary_outputs_may_have_a_loss_of_their_own(tmp_path: Path) -> None:
    """Ten times the cross-entropy: ten times the term of the same heads, and nothing else of the loss changes."""
    found = []
    for factor in (1.0, 10.0):
        loss = CompoundLoss({"ce": (factor, CrossEntropyLoss())})
        module = unet_module(heads=1, optimizer=_standing, auxiliary_loss=loss, auxiliary_weight=0.0)
        trainer = trainer_for(tmp_path)
        trainer.fit(module, datamodule=small_data(train=4))
        found.append(trainer.callback_metrics)
    assert float(found[1]["train/loss/auxiliary"]) == pytest.approx(10 * float(found[0]["train/loss/auxiliary"]))
    assert float(found[1]["train/loss"]) == pytest.approx(float(found[0]["train/loss"]))
    learned = CompoundLoss({"ce": (1.0, CrossEntropyLoss())}, learned=True)
    with pytest.raises(ValueError, match=r"auxiliary_loss: expected a loss without weights to learn"):
        unet_module(heads=1, auxiliary_loss=learned)
