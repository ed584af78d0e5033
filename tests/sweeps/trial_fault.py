"""A callback that breaks a real training in the way that a parameter of a sweep says."""

import os
import signal
import time
from typing import Any

from lightning.pytorch import Callback


class TrialFault(Callback):
    """At the second step: none, segfault, diverge (NaN gradients from then on) or hang (deaf to SIGTERM)."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == 1 and self.kind == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if trainer.global_step == 1 and self.kind == "hang":
            time.sleep(3600)

    def on_after_backward(self, trainer: Any, module: Any) -> None:
        if trainer.global_step >= 1 and self.kind == "diverge":
            next(module.parameters()).grad[0] = float("nan")
