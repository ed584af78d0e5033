"""Injects a fault at a step of a real training; which one, the environment variable FAULT says.

And a network of a few kilobytes, so that a checkpoint costs nothing.
"""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import nn

from litseg.data import Pair, Shapes
from litseg.data.reader import Array
from litseg.training import Checkpoints


class Fault(Callback):
    """At `step`, counted from 0: a signal, a wait for one, a NaN gradient (from then on), no memory, a full disk, ...

    The disk is that of the working directory; it has room again at the end of step `step + until`.
    """

    def __init__(self, step: int, until: int = 1000) -> None:
        self.step, self.until = step, until

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
        elif kind == "wait":
            (stop,) = (each.stop for each in trainer.callbacks if isinstance(each, Checkpoints))
            while stop.number is None:
                time.sleep(0.05)
        elif kind == "full":
            fill(Path.cwd())
        elif kind.startswith("read-only"):
            (checkpoints,) = Path.cwd().glob("outputs/*/*/checkpoints")
            make_read_only(checkpoints if kind.endswith("checkpoints") else checkpoints.parent)

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if os.environ.get("FAULT") == "full" and trainer.global_step == self.step + self.until:
            (Path.cwd() / "filler").unlink()

    def on_test_start(self, *_: Any) -> None:
        if os.environ.get("FAULT") == "full in test":
            fill(Path.cwd())

    def on_after_backward(self, trainer: Any, module: Any) -> None:
        kind = os.environ.get("FAULT", "")
        if (kind == "nan" and trainer.global_step >= self.step) or (
            kind == "nan once" and trainer.global_step == self.step
        ):
            next(module.parameters()).grad[0] = float("nan")

    def on_validation_batch_end(self, *_: Any) -> None:
        if os.environ.get("FAULT") == "validation SIGTERM":
            os.kill(os.getpid(), signal.SIGTERM)


def fill(folder: Path) -> None:
    """Takes all the room there is."""
    with (folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def make_read_only(folder: Path) -> None:
    """By a mount over itself; files that are open stay writable."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)


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
