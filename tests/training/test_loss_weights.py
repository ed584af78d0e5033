"""Scheduled and learned weights of a compound loss in a real fit: they move, are logged, and come back."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from litseg.data import DataModule
from litseg.data.sets.shapes import Shapes
from litseg.losses import CompoundLoss, CrossEntropyLoss, DiceLoss
from litseg.losses.weight_schedule import Linear
from litseg.metrics import SegmentationMetrics
from litseg.models import SegmentationModel
from litseg.training import LossWeights, SegmentationModule, schedule


class _Seen(Callback):
    """The weights of each training step and of each validation."""

    def __init__(self, compound: CompoundLoss) -> None:
        self.compound = compound
        self.train: list[list[float]] = []
        self.val: list[list[float]] = []

    def on_train_batch_end(self, *_: Any) -> None:
        self.train.append(self.compound.weights.tolist())

    def on_validation_batch_start(self, *_: Any) -> None:
        self.val.append(self.compound.weights.tolist())


def _scheduled() -> CompoundLoss:
    return CompoundLoss({"ce": (1.0, CrossEntropyLoss()), "dice": (Linear(0.0, 2.0), DiceLoss())})


def _learned() -> CompoundLoss:
    return CompoundLoss({"ce": (1.0, CrossEntropyLoss()), "dice": (2.0, DiceLoss())}, learned=True)


def _module(loss: nn.Module) -> SegmentationModule:
    torch.manual_seed(0)
    return SegmentationModule(
        model=SegmentationModel(nn.Sequential(nn.Conv2d(3, 6, 1)), [127.5], [60.0]),
        loss=loss,
        metrics=SegmentationMetrics([f"class{index}" for index in range(6)], "multiclass"),
        task="multiclass",
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1, weight_decay=0.1),
        scheduler=lambda optimizer, total_steps: schedule(optimizer, total_steps, "constant"),
    )


def _fit(module: SegmentationModule, folder: Path, compound: CompoundLoss, **options: Any) -> tuple[Any, _Seen]:
    data = DataModule(Shapes(size=32, train=4, val=2, test=1), [], batch_size=2, workers=0)
    seen = _Seen(compound)
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder, num_sanity_val_steps=0, use_distributed_sampler=False,
        callbacks=[LossWeights(), seen], max_epochs=options.pop("max_epochs", 2),
    )  # fmt: skip
    trainer.fit(module, datamodule=data, **options)
    return trainer, seen


def test_scheduled_weights_move_with_the_steps_and_come_back_from_the_checkpoint(tmp_path: Path) -> None:
    loss = _scheduled()
    trainer, seen = _fit(_module(loss), tmp_path, loss)
    assert seen.train == [[1.0, 0.0], [1.0, 0.5], [1.0, 1.0], [1.0, 1.5]]  # 4 steps of 2 epochs
    assert seen.val == [[1.0, 0.5], [1.0, 1.5]]
    values = trainer.callback_metrics
    assert (float(values["train/weight/ce"]), float(values["train/weight/dice"])) == (1.0, 1.5)
    expected = values["val/loss/ce"] + 1.5 * values["val/loss/dice"]
    assert float(values["val/loss"]) == pytest.approx(float(expected), rel=1e-5)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert state["loss.fixed_weights"].tolist() == [1.0, 1.5]
    again = _scheduled()
    _module(again).load_state_dict(state)
    assert again.weights.tolist() == [1.0, 1.5]


def test_a_resumed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    first = _scheduled()
    trainer, _ = _fit(_module(first), tmp_path, first, max_epochs=1)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    loss = _scheduled()
    _, seen = _fit(_module(loss), tmp_path, loss, max_epochs=4, ckpt_path=tmp_path / "last.ckpt")
    assert seen.train == [[1.0, step / 4] for step in range(2, 8)]  # 2 of 8 steps were made before


def test_a_compound_inside_another_module_is_found(tmp_path: Path) -> None:
    class Twice(nn.Module):
        def __init__(self, loss: nn.Module) -> None:
            super().__init__()
            self.loss = loss

        def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return 2 * torch.as_tensor(self.loss(logits, target))

    loss = _scheduled()
    trainer, seen = _fit(_module(Twice(loss)), tmp_path, loss)
    assert seen.train[-1] == [1.0, 1.5]
    assert "train/weight/dice" not in trainer.callback_metrics


def test_constant_weights_are_left_alone_and_not_logged(tmp_path: Path) -> None:
    loss = CompoundLoss({"ce": (1.0, CrossEntropyLoss()), "dice": (0.5, DiceLoss())})
    trainer, seen = _fit(_module(loss), tmp_path, loss)
    assert seen.train == [[1.0, 0.5]] * 4
    assert not [name for name in trainer.callback_metrics if "weight" in name]
    assert len(trainer.optimizers[0].param_groups) == 1


def test_learned_weights_train_without_decay_and_come_back(tmp_path: Path) -> None:
    loss = _learned()
    module = _module(loss)
    assert loss.log_variances is not None
    before = loss.log_variances.detach().clone()
    trainer, _ = _fit(module, tmp_path, loss)
    of_model, of_loss = trainer.optimizers[0].param_groups
    assert [id(each) for each in of_loss["params"]] == [id(loss.log_variances)]
    assert len(of_model["params"]) == len(list(module.model.parameters()))
    assert (of_model["weight_decay"], of_loss["weight_decay"]) == (0.1, 0.0)
    after = loss.log_variances.detach()
    assert (before != after).all()
    values = trainer.callback_metrics
    logged = [float(values[f"train/weight/{name}"]) for name in ("ce", "dice")]
    assert logged == pytest.approx(torch.exp(-after).tolist())
    terms = logged[0] * values["val/loss/ce"] + logged[1] * values["val/loss/dice"]
    assert float(values["val/loss"]) == pytest.approx(float(terms + after.sum() / 2), rel=1e-5)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = _learned()
    _module(again).load_state_dict(torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"])
    assert again.weights.tolist() == pytest.approx(logged)
