"""Other people's loggers (W&B, TensorBoard, MLflow), so that none of them can stop, slow down or hang a training."""

import logging
import queue
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers.logger import Logger
from PIL import Image
from torch import Tensor

log = logging.getLogger(__name__)
_open: list["BackgroundLogger"] = []


class BackgroundLogger(Logger):
    """Hands every call to another logger in a thread of its own; what that one raises is said once.

    While it hangs, calls wait in memory, as many as `WAITING`; later ones are dropped. `metrics.csv` has them all.

    Args:
        logger: Lightning's logger of the service.
        service: its name in messages.
        finish: ends the run there; called with the exit code, after everything else.
        seconds: how long `finish` may take, with what is still waiting then.
        afterwards: what to do where that was not enough; ends the message.
        abandon: called then.
        run_id: of the service's run, where it is known.
    """

    WAITING = 10_000

    def __init__(
        self,
        logger: Logger,
        service: str,
        finish: Callable[[int], object],
        seconds: float,
        afterwards: str,
        abandon: Callable[[], object] = lambda: None,
        run_id: str = "",
    ) -> None:
        super().__init__()
        self.logger, self.service, self.run_id = logger, service, run_id
        self._finish, self._seconds, self._afterwards, self._abandon = finish, seconds, afterwards, abandon
        self._calls: queue.Queue[Callable[[], object] | None] = queue.Queue(self.WAITING)
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._work, name=f"litseg {service}", daemon=True)
        self._thread.start()
        _open.append(self)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception as error:  # a service may raise anything
                self._say("failed", f"{type(error).__name__}: {error}")

    def _say(self, what: str, why: str) -> None:
        if what not in self._said:
            self._said.add(what)
            log.warning("%s %s (%s); training goes on, metrics.csv has every value", self.service, what, why)

    def _hand_over(self, call: Callable[[], object]) -> None:
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self._say("does not keep up", f"{self.WAITING} calls are waiting")

    @property
    def name(self) -> str:
        """The service."""
        return self.service

    @property
    def version(self) -> str:
        """The run's id there; asking the service for it could take long."""
        return self.run_id

    @property
    def save_dir(self) -> str | None:
        """Where the service keeps its files."""
        return self.logger.save_dir

    @property
    def experiment(self) -> Any:
        """The service's own run object; what it raises is not caught."""
        return getattr(self.logger, "experiment")  # noqa: B009  # every Logger of a service has it, their base class not

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Tensor | float], step: int | None = None) -> None:
        """See `Logger`."""
        copy = dict(metrics)
        self._hand_over(lambda: self.logger.log_metrics(copy, step))  # type: ignore[arg-type]  # Lightning passes tensors

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """See `Logger`; nested parameters are given as `group.key`."""
        self._hand_over(lambda: self.logger.log_hyperparams(params))

    @rank_zero_only
    def log_picture(self, name: str, path: Path, step: int) -> None:
        """Sends a picture to W&B, TensorBoard or MLflow; other services are left without.

        Args:
            name: such as test/confusion_matrix.
            path: a PNG, which stays where it is.
            step: optimizer steps so far.
        """
        self._hand_over(lambda: _send_picture(self.logger, name, path, step))

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """See `Logger`."""
        self._hand_over(lambda: self.logger.after_save_checkpoint(checkpoint_callback))

    @rank_zero_only
    def save(self) -> None:
        """See `Logger`."""
        self._hand_over(self.logger.save)

    def ask_to_finish(self, exit_code: int) -> None:
        """Ends the run at the service once everything before it is done; returns at once."""
        for call in (lambda: self._finish(exit_code), None):
            try:
                self._calls.put(call, timeout=1)
            except queue.Full:
                return

    def wait(self, seconds: float) -> None:
        """Waits for the end, at most that long."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.warning("%s did not end within %g s; %s", self.service, self._seconds, self._afterwards)
            self._said.add("failed")  # what the thread has to say now is not news
            self._abandon()


def _send_picture(logger: Any, name: str, path: Path, step: int) -> None:
    """Each service has its own way; Lightning has none that they share."""
    kind = type(logger).__name__
    if kind == "WandbLogger":
        logger.log_image(name, [str(path)], step)
    elif kind == "TensorBoardLogger":
        with Image.open(path) as picture:
            logger.experiment.add_image(name, np.asarray(picture.convert("RGB")), step, dataformats="HWC")
    elif kind == "MLFlowLogger":
        logger.experiment.log_artifact(logger.run_id, str(path), name.rpartition("/")[0])


def finish_loggers(exit_code: int) -> None:
    """Ends the runs of all services of this process, together, each within its own time.

    Args:
        exit_code: of the run.
    """
    started = time.monotonic()
    loggers = [_open.pop(0) for _ in range(len(_open))]
    for logger in loggers:
        logger.ask_to_finish(exit_code)
    for logger in loggers:
        logger.wait(max(0.0, started + logger._seconds - time.monotonic()))
