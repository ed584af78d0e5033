"""What a run tells while it trains: images per second, and one line an epoch."""

import logging
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)


class Throughput(Callback):
    """Measures training images per second over all devices, waiting for data included, evaluation left out.

    The first step of each epoch is not counted: it waits for the workers to start or the caches to warm up.
    """

    def __init__(self) -> None:
        self.images, self.seconds = 0, 0.0
        self._last: float | None = None

    @property
    def images_per_second(self) -> float | None:
        """The mean over all counted steps, None before the second step of an epoch."""
        return self.images / self.seconds if self.seconds else None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forgets the time before the epoch."""
        self._last = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Adds the time since the previous batch ended."""
        now = time.perf_counter()
        if self._last is not None:
            self.seconds += now - self._last
            self.images += len(batch["image"]) * trainer.world_size
        self._last = now

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        return {"images": self.images, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on summing."""
        self.images, self.seconds = state_dict["images"], state_dict["seconds"]

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps the time of a validation inside an epoch out."""
        self._last = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the mean so far."""
        if self.images_per_second is not None:
            pl_module.log("train/images_per_second", self.images_per_second, rank_zero_only=True)


class EpochLine(Callback):
    """Writes one line to the log after each epoch: losses, validation mIoU, learning rate, speed.

    Lightning calls `on_train_epoch_end` of callbacks before that of the module, which logs the training loss; so the
    line is written when the next epoch starts and when training ends.
    """

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The line of the epoch before."""
        if trainer.current_epoch > 0:
            self._write(trainer, trainer.current_epoch)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The line of the last epoch."""
        self._write(trainer, trainer.current_epoch)

    def _write(self, trainer: Trainer, epoch: int) -> None:
        values = trainer.callback_metrics  # on every rank: reading it may reduce over the ranks
        if not trainer.is_global_zero or "train/loss" not in values:  # as in the first epoch after a resume
            return
        words = [f"epoch {epoch:>3}/{trainer.max_epochs or '?'}"]
        for name, key in (("loss", "train/loss"), ("val loss", "val/loss"), ("val mIoU", "val/miou")):
            if key in values:
                words.append(f"{name} {float(values[key]):.4f}")
        words.append(f"lr {trainer.optimizers[0].param_groups[0]['lr']:.2e}")
        if "train/images_per_second" in values:
            words.append(f"{float(values['train/images_per_second']):.1f} images/s")
        log.info("  ".join(words))
