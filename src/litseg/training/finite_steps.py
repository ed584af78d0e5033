"""A loss or gradient that is not finite is not learnt from; too many of them end the training."""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor
from torch.optim import Optimizer

from litseg.training.checkpoint_files import NonFiniteError

log = logging.getLogger(__name__)
NAMES = 20  # parameters that a dump lists


class FiniteSteps(Callback):
    """Skips optimizer steps whose loss or gradient is infinite or NaN, and puts down which samples made them.

    A skipped step leaves weights, optimizer and the statistics of batch norm as they were. While 16-bit precision still
    lowers its loss scale, steps that overflow are skipped without being counted: that is how it finds the scale.

    Args:
        folder: where `step-<n>-rank<r>.json` goes.
        in_a_row: so many steps one after the other are skipped; with one more the training stops. 0: at the first.

    Raises:
        NonFiniteError: in training, when the budget is spent.
    """

    def __init__(self, folder: Path, in_a_row: int = 10) -> None:
        if in_a_row < 0:
            raise ValueError(f"nonfinite_steps: expected at least 0, got {in_a_row}")
        self.folder, self.in_a_row = folder, in_a_row
        self.skipped, self._row = 0, 0
        self._ids: list[str] = []
        self._loss = torch.zeros(())
        self._kept: list[Tensor] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Keeps the statistics of batch norm as they are before the batches of a step."""
        if not self._ids:
            buffers = _statistics(pl_module)
            if len(self._kept) != len(buffers):
                self._kept = [torch.empty_like(each) for each in buffers]
            if buffers:
                torch._foreach_copy_(self._kept, buffers)
            self._loss = torch.zeros((), device=pl_module.device)
        self._ids += batch["id"]

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Adds the loss of each batch of a step."""
        self._loss = self._loss + loss.detach()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Takes the gradients away where one is not finite: an optimizer passes over parameters without."""
        gradients = [each.grad for each in pl_module.parameters() if each.grad is not None]
        size = torch.nn.utils.get_total_norm(gradients).to(self._loss.device)
        wrong = (~(size + self._loss).isfinite()).float()
        if float(trainer.strategy.reduce(wrong, reduce_op="sum")) == 0:  # the one moment in a step that waits for a GPU
            self._row = 0
        else:
            self._skip(trainer, pl_module, optimizer)
        self._ids = []

    def _skip(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        path = self._dump(trainer, pl_module)
        for each in pl_module.parameters():
            each.grad = None
        if self._kept:
            torch._foreach_copy_(_statistics(pl_module), self._kept)
        if _seeks_its_scale(trainer):
            return
        self.skipped, self._row = self.skipped + 1, self._row + 1
        log.warning("step %d is skipped: loss or gradient not finite, see %s", trainer.global_step, path)
        if self._row > self.in_a_row:
            raise NonFiniteError(
                f"loss or gradient was not finite in {self._row} steps in a row (nonfinite_steps={self.in_a_row}); the "
                f"samples are in {self.folder}. The last checkpoint is finite. Lower optimizer.lr, clip gradients "
                "(trainer.gradient_clip_val=1.0), or try trainer.precision=32-true"
            )

    def _dump(self, trainer: Trainer, pl_module: LightningModule) -> Path:
        wrong = [name for name, each in pl_module.named_parameters()
                 if each.grad is not None and not each.grad.isfinite().all()]  # fmt: skip
        content = {
            "step": trainer.global_step,
            "epoch": trainer.current_epoch,
            "loss": str(float(self._loss)),
            "ids": self._ids,
            "gradients_not_finite": len(wrong),
            "parameters": wrong[:NAMES],
            "learning_rates": [group["lr"] for group in trainer.optimizers[0].param_groups],
        }
        path = self.folder / f"step-{trainer.global_step:08d}-rank{trainer.global_rank}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=2) + "\n")
        except OSError as error:
            log.warning("cannot write %s (%s): %s", path, error, content)
        return path

    def state_dict(self) -> dict[str, Any]:
        """How many steps were skipped, in all and last in a row."""
        return {"skipped": self.skipped, "row": self._row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on counting."""
        self.skipped, self._row = state_dict["skipped"], state_dict["row"]


def _statistics(module: LightningModule) -> list[Tensor]:
    return [each for each in module.buffers() if each.is_floating_point()]


def _seeks_its_scale(trainer: Trainer) -> bool:
    plugin = trainer.precision_plugin
    scaler = plugin.scaler if isinstance(plugin, MixedPrecision) else None
    return scaler is not None and scaler.get_scale() > 1
