"""Kills trainings with SIGKILL at random moments and inside checkpoint writes, resumes them, and compares digests.

    python -m tests.cli.kill_matrix [seed]

For every combination of loader processes, precision and accumulation: one run that nothing happens to, and one that is
killed three times, the first time while it writes a checkpoint. Both must end with the same weights, scores and rows of
metrics.csv, bit for bit. Each run is a process of its own, forked from this one after the imports, which take longest.
"""

import csv
import hashlib
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import segmentation_models_pytorch  # noqa: F401 - imported before the forks
import torch

from litseg.cli import train
from litseg.cli.training import record, run  # noqa: F401 - likewise
from litseg.cli.wiring import build  # noqa: F401 - likewise

KILLS = 3
WORDS = (
    "experiment=unet_ce", "logger=csv", "trainer=cpu", "trainer.max_epochs=2", "trainer.log_every_n_steps=1",
    "loader.batch_size=2", "pictures=1", "data.size=64", "data.train=14", "data.val=4", "data.test=2", "resume=auto",
    "model=deeplabv3plus", "callbacks=[default,weight_average]", "callbacks.checkpoint.every_steps=2",
)  # fmt: skip


class Row(NamedTuple):
    """What came of one combination."""

    workers: int
    precision: str
    accumulated: int
    inside_writes: int
    resumes: int
    whole: str
    killed: str


def main(seed: int) -> int:
    """Prints the table; 1 where a digest differs."""
    torch.set_num_threads(1)
    draw, rows = random.Random(seed), list[Row]()
    print(f"seed {seed}; digests of weights, scores and rows of metrics.csv")
    print("workers precision   accumulation kills inside a write  uninterrupted         killed and resumed")
    for workers, precision, accumulated in itertools.product((0, 2), ("32-true", "bf16-mixed"), (1, 2)):
        words = (*WORDS, f"loader.workers={workers}", f"trainer.precision={precision}",
                 f"trainer.accumulate_grad_batches={accumulated}")  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            row = Row(workers, precision, accumulated, *_compare(Path(folder), words, draw))
        rows.append(row)
        same = "equal" if row.whole == row.killed else "DIFFERENT"
        print(f"{workers:7} {precision:11} {accumulated:12} {KILLS:5} {row.inside_writes:14}  {row.whole:20}  "
              f"{row.killed} {same}, {row.resumes} resumes", flush=True)  # fmt: skip
    kills = KILLS * len(rows)
    print(f"{kills} kills, {sum(row.inside_writes for row in rows)} of them inside a checkpoint write")
    return int(any(row.whole != row.killed for row in rows))


def _compare(folder: Path, words: tuple[str, ...], draw: random.Random) -> tuple[int, int, str, str]:
    began = time.monotonic()
    assert _wait(_start(folder / "whole", words)) == 0, (folder / "whole" / "output.txt").read_text()
    seconds, inside = time.monotonic() - began, 0
    for number in range(KILLS):
        process = _start(folder / "killed", words)
        moment = _in_a_write(folder / "killed") if number == 0 else _after(draw.uniform(0.05, 0.55) * seconds)
        inside += _kill(process, moment, folder / "killed")
    assert _wait(_start(folder / "killed", words)) == 0, (folder / "killed" / "output.txt").read_text()
    (status,) = [
        json.loads(path.with_name("status.json").read_text()) for path in folder.glob("killed/outputs/*/*/result.json")
    ]
    return inside, status["resumes"], digest(folder / "whole"), digest(folder / "killed")


def _start(folder: Path, words: tuple[str, ...]) -> int:
    folder.mkdir(exist_ok=True)
    process = os.fork()
    if process:
        return process
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["train.py", *words]
    os._exit(train.main())


def _wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _kill(process: int, moment: Callable[[], bool], folder: Path) -> bool:
    """Kills it when the moment has come; whether it was writing a checkpoint."""
    before = _half_written(folder)
    while not moment():
        if os.waitpid(process, os.WNOHANG) != (0, 0):
            raise RuntimeError("a run has ended before it could be killed")
        time.sleep(0.0005)
    os.kill(process, signal.SIGKILL)
    _wait(process)
    return bool(_half_written(folder) - before)


def _half_written(folder: Path) -> set[Path]:
    return {path for path in folder.glob("outputs/*/*/checkpoints/.step-*.ckpt.*.tmp") if path.stat().st_size > 0}


def _in_a_write(folder: Path) -> Callable[[], bool]:
    before = _half_written(folder)
    return lambda: bool(_half_written(folder) - before)


def _after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def digest(folder: Path) -> str:
    """Of the final weights, the best ones, the scores and the logged rows of the one finished run below."""
    (result,) = folder.glob("outputs/*/*/result.json")
    weights, scores, rows = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    for name in ("last", "best"):
        state = torch.load(result.parent / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
        for key, value in sorted(state.items()):
            weights.update(key.encode() + value.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    scores.update(json.dumps(json.loads(result.read_text())["metrics"], sort_keys=True).encode())
    for row in _rows(result.parent / "metrics.csv"):
        rows.update(repr(row).encode())
    return " ".join(each.hexdigest()[:6] for each in (weights, scores, rows))


def _rows(path: Path) -> Iterator[list[tuple[str, str]]]:
    with path.open() as file:
        for row in csv.DictReader(file):
            yield sorted((key, value) for key, value in row.items() if value and "images_per_second" not in key)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
