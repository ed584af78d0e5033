"""When a training saves: by the clock, before it stops, and where validation finds it better than ever."""

import logging
import math
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from litseg.training.checkpoint_files import NonFiniteError
from litseg.training.checkpoint_folder import point, prune, step_path, take_up
from litseg.training.stopping import Stopped, StopRequest

log = logging.getLogger(__name__)
RESUMED_ONLY = ("optimizer_states", "lr_schedulers", "current_model_state")
"""What a checkpoint for evaluation does without."""


class SaveError(OSError):
    """Checkpoints cannot be written, several times in a row."""


class Checkpoints(Checkpoint):
    """Writes `step-<n>.ckpt`, from which a training resumes, and `best-<n>.ckpt`, the weights of the best validation.

    `last.ckpt` and `best.ckpt` are links to them. A full disk or a folder that cannot be written is a warning; the
    training goes on and tries again at the next occasion.

    Args:
        folder: the run's `checkpoints`.
        monitor: the value of validation that decides; None: the last weights are the best.
        mode: max where a larger value is better, else min.
        every_minutes: between two savings; a kill costs no more.
        every_steps: optimizer steps between two savings, besides; None: only the clock decides.
        keep: how many `step-<n>.ckpt` stay.
        attempts: failures in a row after which the training stops.

    Raises:
        ValueError: a number is below its least.
    """

    def __init__(
        self,
        folder: str,
        monitor: str | None = "val/miou",
        mode: str = "max",
        every_minutes: float = 5.0,
        every_steps: int | None = None,
        keep: int = 2,
        attempts: int = 3,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"callbacks.checkpoint.mode: expected min or max, got {mode!r}")
        if every_minutes <= 0 or (every_steps is not None and every_steps < 1) or keep < 1 or attempts < 1:
            raise ValueError("callbacks.checkpoint: expected every_minutes above 0; every_steps, keep, attempts from 1")
        self.folder, self.monitor, self.mode = Path(folder), monitor, mode
        self.every_minutes, self.every_steps, self.keep, self.attempts = every_minutes, every_steps, keep, attempts
        self.stop = StopRequest()
        self.best_value, self.complete = math.nan, False
        self.best_step: int | None = None
        self.failures, self.seconds = 0, 0.0
        self._saved_at, self._saved_step, self._at_epoch_start = time.monotonic(), -1, False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """All ranks write to rank 0's folder."""
        self.folder = trainer.strategy.broadcast(self.folder)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on a signal waits for the end of a step."""
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step
        if trainer.is_global_zero and self.folder.is_dir():
            take_up(self.folder, trainer.global_step, self.best_step, self.keep)
        loop = trainer.fit_loop.epoch_loop
        if loop.batch_progress.current.ready == 0:  # at the start of an epoch there is nothing to take up again
            loop.restarting = False
        loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]  # `agreed` does it without a GPU
        self.stop.defer()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first moment at which an epoch's validation, logs and plateau schedule are behind."""
        if trainer.current_epoch > 0 and trainer.global_step != self._saved_step:
            self._at_epoch_start = True
            self._save_if_due(trainer)
            self._at_epoch_start = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves between optimizer steps, but not where validation or the end of the epoch comes first."""
        loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
        assert fetcher is not None
        if loop._should_accumulate() or loop._num_ready_batches_reached() or loop._should_check_val_fx(fetcher):
            self.stop.progressed()
        else:
            self._save_if_due(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Nobody hangs."""
        self.stop.progressed()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps the weights if they are the best so far."""
        if self.monitor is None or trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        value = float(trainer.callback_metrics[self.monitor])
        sign = 1 if self.mode == "max" else -1
        if self.best_step is None or math.isnan(self.best_value) or sign * value > sign * self.best_value:
            self._write_best(trainer, value)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on a signal ends the run where it is; a resume then evaluates what has been trained."""
        self._complete(trainer)
        self.stop.release()

    def _complete(self, trainer: Trainer) -> None:
        self.complete = True
        if self.best_step is None:
            self._write_best(trainer, math.nan)
        self._write_step(trainer)

    def best_path(self) -> Path:
        """The checkpoint that is evaluated."""
        return step_path(self.folder, "best", self.best_step or 0)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know."""
        return {"best_value": self.best_value, "best_step": self.best_step, "complete": self.complete}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes it up."""
        self.best_value, self.best_step = state_dict["best_value"], state_dict["best_step"]
        self.complete = state_dict["complete"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """At the start of an epoch, Lightning's counters are those of one that has not begun."""
        if self._at_epoch_start:
            _begin_epoch(checkpoint["loops"]["fit_loop"])

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Tells the loaders where to begin; a training that was complete, perhaps before its last epoch, ends."""
        if trainer.state.fn != TrainerFn.FITTING:
            return
        loop = checkpoint["loops"]["fit_loop"]
        done = loop["epoch_progress"]["current"]["processed"], loop["epoch_loop.batch_progress"]["current"]["processed"]
        trainer.datamodule.resume_at(*done)  # type: ignore[attr-defined]
        if checkpoint["callbacks"].get(self.state_key, {}).get("complete"):
            trainer.should_stop = True

    def _save_if_due(self, trainer: Trainer) -> None:
        due = time.monotonic() - self._saved_at >= 60 * self.every_minutes
        if self.every_steps is not None:
            due |= trainer.global_step - self._saved_step >= self.every_steps
        number, due = self.stop.agreed(due)
        if number or due:
            self._write_step(trainer)
        if number:
            raise Stopped(number)

    def _write_step(self, trainer: Trainer) -> None:
        if self._write(trainer, "step", {"facts": {"best_step": self.best_step}}):
            self._saved_step = trainer.global_step

    def _write_best(self, trainer: Trainer, value: float) -> None:
        before = self.best_value, self.best_step
        self.best_value, self.best_step = value, trainer.global_step
        if not self._write(trainer, "best", {"without": RESUMED_ONLY}):
            self.best_value, self.best_step = before

    def _write(self, trainer: Trainer, kind: str, options: dict[str, Any]) -> bool:
        """Whether it was written. `seconds` sums up what writing has taken."""
        began, errors = time.monotonic(), list[Exception]()
        path = step_path(self.folder, kind, trainer.global_step)
        trainer.save_checkpoint(path, weights_only=False, storage_options=options | {"errors": errors})
        error: Exception | None = trainer.strategy.broadcast(errors[0] if errors else None)
        if error is None and trainer.is_global_zero:
            self._tidy(kind, path)
        self._saved_at = time.monotonic()
        self.seconds += self._saved_at - began
        self._count(error, path)
        return error is None

    def _tidy(self, kind: str, path: Path) -> None:
        """On rank 0 alone, so that an error would leave the others waiting; the links only serve the reader."""
        try:
            point(self.folder / {"step": "last.ckpt", "best": "best.ckpt"}[kind], path)
            prune(self.folder, self.keep, self.best_step)
        except OSError as error:
            log.warning("cannot set links or remove older checkpoints in %s (%s)", self.folder, error)

    def _count(self, error: Exception | None, path: Path) -> None:
        """Raises where there is no sense in going on."""
        if isinstance(error, NonFiniteError):
            raise error
        self.failures = self.failures + 1 if error else 0
        if error and (self.failures >= self.attempts or self.complete or self.stop.number):
            raise SaveError(f"cannot write {path} ({error}); {self.failures} failures in a row, the training stops")
        if error:
            log.warning("cannot write %s (%s); the older checkpoints stay, training goes on", path, error)


def _begin_epoch(loop: dict[str, Any]) -> None:
    """Sets Lightning's counters, in place, as they are between two epochs."""
    for counts in (loop["epoch_progress"]["total"], loop["epoch_progress"]["current"]):
        counts["ready"] = counts["started"]
    for name, progress in loop.items():
        if name.startswith("epoch_loop.") and isinstance(progress, dict):
            _zero_current(progress)
    loop["epoch_loop.batch_progress"]["is_last_batch"] = False
    _zero(loop["epoch_loop.val_loop.batch_progress"]["total"])


def _zero_current(progress: dict[str, Any]) -> None:
    for key, value in progress.items():
        if key == "current":
            _zero(value)
        elif isinstance(value, dict):
            _zero_current(value)


def _zero(counts: dict[str, Any]) -> None:
    for key in counts:
        counts[key] = 0
