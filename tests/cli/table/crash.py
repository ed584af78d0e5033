"""A training that dies as C code with a bug does."""

import os
import signal
from typing import Any

import lightning


class Crash(lightning.Callback):
    """Ends the process with SIGSEGV at the second step."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
