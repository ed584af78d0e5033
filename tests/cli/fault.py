"""Injects a fault at a step of a real training; which one, the environment variable FAULT says.

And a network of a few kilobytes, so that a checkpoint costs nothing.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import nn

from litseg.data import Pair, Shapes
from litseg.data.reader import Array


class Fault(Callback):
    """At `step`, counted from 0: a signal to this process, a NaN gradient (from then on), or no memory."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        kind = os.environ.get("FAULT", "")
        if trainer.global_step != self.step:
            return
        if kind.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, kind))
        elif kind == "memory" and len(batch["image"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        elif kind == "crash":
            raise RuntimeError("crash")

    def on_after_backward(self, trainer: Any, module: Any) -> None:
        kind = os.environ.get("FAULT", "")
        if (kind == "nan" and trainer.global_step >= self.step) or (
            kind == "nan once" and trainer.global_step == self.step
        ):
            next(module.parameters()).grad[0] = float("nan")

    def on_validation_batch_end(self, *_: Any) -> None:
        if os.environ.get("FAULT") == "validation SIGTERM":
            os.kill(os.getpid(), signal.SIGTERM)


class HangingShapes(Shapes):
    """A disk that hangs as long as there is a file `hang`."""

    def read_image(self, pair: Pair) -> Array:
        while Path("hang").exists():
            time.sleep(0.1)
        return super().read_image(pair)


def tiny_network(classes: int, in_channels: int, **_: Any) -> nn.Module:
    """Two convolutions with batch norm and dropout."""
    layers = [nn.Conv2d(in_channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Conv2d(8, classes, 1))


WORDS = (
    "+callbacks.fault._target_=tests.cli.fault.Fault", "+callbacks.fault.step=3",
    "model._target_=tests.cli.fault.tiny_network",
)  # fmt: skip
