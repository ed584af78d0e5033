"""A small real training with rows of every kind: per step, learning rate, validation, epoch."""

import os
import signal
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from litseg.training.csv_logger import CsvLogger


class Line(lightning.LightningModule):
    """A line fitted to 16 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss: Tensor = self.line(batch[0]).square().mean()
        self.log("train/loss_step", loss)
        return loss

    def on_validation_epoch_end(self) -> None:
        self.log("val/weight", self.line.weight.sum())

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        """Nothing."""

    def on_train_epoch_end(self) -> None:
        self.log("train/weight", self.line.weight.sum())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.01)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Interruption(lightning.Callback):
    """Saves a checkpoint in the hook `save[0]` at the step `save[1]`, and ends before the step `stop`."""

    def __init__(self, path: Path, save: tuple[str, int] | None, stop: int | None, kill: bool) -> None:
        self.path, self.save, self.stop, self.kill = path, save, stop, kill

    def _save(self, hook: str, trainer: lightning.Trainer) -> None:
        if self.save == (hook, trainer.global_step) and not trainer.sanity_checking:
            trainer.save_checkpoint(self.path)
            self.save = None

    def on_train_batch_start(self, trainer: lightning.Trainer, *others: Any) -> None:
        if trainer.global_step == self.stop:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise InterruptedError

    def on_train_batch_end(self, trainer: lightning.Trainer, *others: Any) -> None:
        self._save("on_train_batch_end", trainer)

    def on_validation_end(self, trainer: lightning.Trainer, *others: Any) -> None:
        self._save("on_validation_end", trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, *others: Any) -> None:
        self._save("on_train_epoch_end", trainer)


class Resumable(DataLoader[Any]):
    """Lightning counts it as one that knows where it was: in order, it does."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


def log_a_training(
    folder: Path,
    accumulated: int = 1,
    save: tuple[str, int] | None = None,
    stop: int | None = None,
    resume: bool = False,
    kill: bool = False,
) -> None:
    """Three epochs of four batches, logged to `folder`."""
    folder.mkdir(exist_ok=True)
    path = folder / "saved.ckpt"
    logger = CsvLogger(folder)
    if resume:
        logger.rewind(torch.load(path, weights_only=True)["global_step"])
    torch.manual_seed(0)
    data = TensorDataset(torch.ones(16, 1))  # equal, so that it does not matter which batches an epoch had
    trainer = lightning.Trainer(
        max_epochs=3, logger=logger, accumulate_grad_batches=accumulated, log_every_n_steps=1, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        callbacks=[LearningRateMonitor("step"), Interruption(path, save, stop, kill)],
    )  # fmt: skip
    loaders = Resumable(data, batch_size=4), DataLoader(data, batch_size=16)
    trainer.fit(Line(), *loaders, ckpt_path=path if resume else None, weights_only=True)
