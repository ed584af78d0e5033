"""Writes down when a training's steps began and ended, for `python -m tests.benchmarks.jobs`."""

import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback


class StepTimes(Callback):
    """`path` gets two lines: when the first step began and when the last one ended, in seconds of `time.time`."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_train_batch_start(self, *_: Any) -> None:
        if not self.path.exists():
            self.path.write_text(f"{time.time()}\n")

    def on_train_batch_end(self, *_: Any) -> None:
        self.path.write_text(f"{self.path.read_text().splitlines()[0]}\n{time.time()}\n")
