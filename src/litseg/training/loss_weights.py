"""Moves the scheduled weights of a compound loss along with training."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from litseg.losses import CompoundLoss


class LossWeights(Callback):
    """Tells every compound in the module's loss, before each step, which share of the optimizer steps is behind.

    A loss without schedules is left alone. As with learning rates, the last step sees (steps - 1) / steps; the
    validation that follows a step sees the weights of that step.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finds the compounds that have schedules, and how many steps there will be."""
        compounds = [part for part in pl_module.modules() if isinstance(part, CompoundLoss)]
        self._scheduled = [compound for compound in compounds if compound.schedules]
        self._steps = max(trainer.estimated_stepping_batches, 1)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Sets the weights of this step."""
        for compound in self._scheduled:
            compound.set_progress(min(trainer.global_step / self._steps, 1.0))
