"""An exponential moving average of the weights that is evaluated and saved in their place."""

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor


class WeightAverage(WeightAveraging):
    """Lightning's WeightAveraging with a decay that grows, and with evaluation after training of what was saved.

    After optimizer step n, counted from 0: average <- d average + (1 - d) weights, d = min(decay, (1 + n) / (10 + n)),
    so that a short training is not held back by its first weights (the rule of TensorFlow's ExponentialMovingAverage
    with `num_updates`). Buffers of the model in floating point, such as the statistics of batch norm, are averaged
    alike; integers and the buffers of the loss, such as scheduled weights, are copied. Metrics are not touched.

    Validation during training runs with the average. A checkpoint holds it as `state_dict`, with the trained weights
    as `current_model_state`, from which a resumed training goes on.

    Args:
        decay: its largest value, in [0, 1).

    Raises:
        ValueError: `decay` is outside.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"callbacks.weight_average.decay: expected a number from 0 to below 1, got {decay}")
        self.decay = decay
        super().__init__(use_buffers=True, multi_avg_fn=self._average)

    def _average(self, averages: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        """`count` is 1 after the first step, whose weights were copied."""
        if not averages[0].is_floating_point():
            torch._foreach_copy_(averages, current)
            return
        steps = int(count)
        decay = min(self.decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(averages, current, 1 - decay)  # exact for what does not change, unlike a weighted sum

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Takes the step into the average, and the loss's own weights as they are."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        assert self._average_model is not None
        for copy, buffer in zip(self._average_model.module.loss.buffers(), pl_module.loss.buffers(), strict=True):  # type: ignore[union-attr]
            copy.copy_(buffer)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Swaps the average in, in training; afterwards the module holds the checkpoint that is evaluated."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Swaps the trained weights back, in training."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves the trained weights where they are: last.ckpt, saved after this, holds both."""

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Restores average and trained weights where training resumes; evaluation keeps the average it has loaded."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
