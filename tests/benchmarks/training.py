"""What litseg adds to a training, as ratios to the bare work of PyTorch in the same run.

python -m tests.benchmarks.training [PART ...] [--camvid FOLDER] [--turns N]

Parts: start, confusion, speed, memory, kept; without one, all but the last, each line as it is measured.
U-Net/ResNet-18 on 8 CamVid images of 256 x 256 in channels_last and bfloat16 autocast with AdamW and cross-entropy.
litseg and the bare loop take turns, so that a machine whose speed drifts is the same for both; medians of the turns.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
    MulticlassRecall,
)

from litseg.cli.errors import CONF
from litseg.cli.logs import start_logging
from litseg.cli.wiring.build import Parts, build
from litseg.metrics import SegmentationMetrics
from litseg.models import create_network

STEPS, VALIDATED, BATCH, SIZE, CLASSES = 20, 10, 8, 256, 11
DEFAULT_CAMVID = CONF.parents[1] / "shared" / "data" / "camvid"
CHECKPOINT_INTERVAL = 300.0
"""Seconds between two checkpoints at the default."""


def seconds(work: Callable[[], object], times: int, warm_up: int = 2) -> float:
    """Of one call, the mean of `times` after `warm_up`."""
    for _ in range(warm_up):
        work()
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def bare() -> tuple[float, float]:
    """Seconds of the shortest training step, and of a forward pass with its loss, on one batch in memory."""
    torch.manual_seed(0)
    network = create_network("unet", "resnet18", None, in_channels=3, classes=CLASSES)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    images = torch.randn(BATCH, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    target = torch.randint(0, CLASSES, (BATCH, SIZE, SIZE))

    def forward() -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return F.cross_entropy(network(images), target, ignore_index=255)

    def step() -> None:
        optimizer.zero_grad()
        forward().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    training = seconds(step, STEPS)
    network.eval()
    with torch.no_grad():
        return training, seconds(forward, VALIDATED)


class Clock(lightning.Callback):
    """Seconds from the end of the first step to the end of the validation.

    `training` ends with the last step; `spent` are its seconds in metrics and logging, and in checking gradients.
    """

    def __init__(self, parts: Parts) -> None:
        self.whole, self.training = 0.0, 0.0
        self._running = {"logging": 0.0, "finite": 0.0}
        for kind, thing, name in (
            ("logging", parts.module, "_add_losses"),
            ("logging", parts.module._metric("train"), "update"),
            *(("logging", logger, each) for logger in parts.trainer.loggers for each in ("log_metrics", "save")),
            *(("finite", parts.finite, f"on_{each}") for each in ("train_batch_start", "before_optimizer_step")),
        ):
            object.__setattr__(thing, name, self._timed(kind, getattr(thing, name)))

    def _timed(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **named)
            self._running[kind] += time.perf_counter() - started
            return result

        return timed

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0:
            self._started = time.perf_counter()
            self._running = dict.fromkeys(self._running, 0.0)
        self.training, self.spent = time.perf_counter() - self._started, dict(self._running)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self.whole = time.perf_counter() - self._started


def trained(camvid: Path) -> tuple[Clock, float]:
    """One epoch of litseg from disk, with validation: its times, and the seconds of writing `step` and `best`."""
    words = [
        "experiment=camvid_unet_ce", f"data.root={camvid}", f"data.resize=[{SIZE},{SIZE}]", "logger=csv",
        f"loader.batch_size={BATCH}", "trainer.accelerator=cpu", "trainer.precision=bf16-mixed",
        "trainer.channels_last=true", "trainer.enable_progress_bar=false", "trainer.max_epochs=1",
        f"+trainer.limit_train_batches={STEPS + 1}", f"+trainer.limit_val_batches={VALIDATED}",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        parts = build(compose("train", overrides=[*words, f"run_folder={folder}"]), Path(folder))
        clock = Clock(parts)
        # first, so that its validation ends before `best` is written: that is the checkpoints' own row
        parts.trainer.callbacks.insert(0, clock)  # type: ignore[attr-defined]  # Lightning's list
        parts.trainer.fit(parts.module, datamodule=parts.data)
        return clock, parts.checkpoint.seconds


def confusion_ratios(turns: int) -> list[float]:
    """Seconds of an update to those of torchmetrics' collection, whose groups its first update forms."""
    settings: dict[str, Any] = {"num_classes": CLASSES, "ignore_index": 255}
    kinds = (MulticlassJaccardIndex, MulticlassF1Score, MulticlassPrecision, MulticlassRecall, MulticlassAccuracy)
    peer = MetricCollection([kind(**settings) for kind in kinds])
    ours = SegmentationMetrics([str(label) for label in range(CLASSES)], "multiclass")
    logits = torch.randn(BATCH, CLASSES, SIZE, SIZE).to(memory_format=torch.channels_last)
    target = torch.randint(0, CLASSES, (BATCH, SIZE, SIZE))
    target[:, :8] = 255
    return [
        seconds(lambda: ours.update(logits, target), 5) / seconds(lambda: peer.update(logits, target), 5)
        for _ in range(4 * turns)
    ]


def start_ratios(turns: int) -> tuple[list[float], list[float]]:
    """Seconds from the command to the first step, and to its end, to those of the bare imports."""
    imports = ["-c", "import torch, lightning, segmentation_models_pytorch"]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        target = "+callbacks.first_step._target_=tests.benchmarks.first_step.FirstStep"
        run = ["train.py", "experiment=unet_dice", "logger=csv", f"output={folder}", target]
        for turn in range(turns + 1):  # the first draws the data and fills the file cache
            times = [process(imports), process([*run, "+callbacks.first_step.done=false"]), process(run)]
            if turn:
                found.append((times[1] / times[0], times[2] / times[0]))
    return [begun for begun, _ in found], [done for _, done in found]


def process(arguments: list[str]) -> float:
    """Seconds of a fresh Python."""
    command = [sys.executable, *arguments]
    return seconds(
        lambda: subprocess.run(command, cwd=CONF.parent, check=True, stdout=subprocess.DEVNULL), 1, warm_up=0
    )


class Memory(lightning.Callback):
    """Resident megabytes after each epoch."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []

    def on_train_epoch_end(self, *_: Any) -> None:
        self.megabytes.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20)


def memory() -> list[float]:
    """Resident megabytes after each of 50 epochs of a tiny run."""
    words = ["experiment=unet_ce", "trainer=cpu", "logger=csv", "loader.batch_size=2", "trainer.max_epochs=50"]
    words += ["data.size=32", "data.train=4", "data.val=2", "data.test=2", "trainer.enable_progress_bar=false"]
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        parts = build(compose("train", overrides=[*words, f"run_folder={folder}"]), Path(folder))
        parts.trainer.callbacks.append(found := Memory())  # type: ignore[attr-defined]
        parts.trainer.fit(parts.module, datamodule=parts.data)
    return found.megabytes


def kept_ratios(camvid: Path, turns: int) -> list[float]:
    """Speed of a training whose malloc keeps what is freed, to one that gives it back, each in its own process."""
    code = f"from tests.benchmarks.training import *; print(trained(Path({str(camvid)!r}))[0].training)"
    keep = "from litseg.data.machine import keep_freed_memory as keep; keep(); "

    def training(words: str) -> float:
        printed = subprocess.run([sys.executable, "-c", words], cwd=CONF.parent, check=True, stdout=subprocess.PIPE)
        return float(printed.stdout.split()[-1])

    return [training(code) / training(keep + code) for _ in range(turns)]


def measure_speed(camvid: Path, turns: int) -> None:
    """A training from disk against the bare loop."""
    found = []
    for turn in range(turns):
        found.append((*bare(), *trained(camvid)))
        print(f"turn {turn + 1} of {turns}: bare step {found[-1][0]:.3f} s", flush=True)
    speed = [STEPS * step / clock.training for step, _, clock, _ in found]
    epoch = [(STEPS * step + VALIDATED * forward) / clock.whole for step, forward, clock, _ in found]
    tell("training from disk / bare step in memory, speed", speed, "0.97 at least")
    tell("epoch with validation / bare steps and forwards, speed", epoch, "0.93 at least")
    for kind, what, wanted in (
        ("logging", "metrics and logging", "below 0.01"),
        ("finite", "checking that gradients are finite", "-"),
    ):
        tell(f"{what}, share of a step", [clock.spent[kind] / clock.training for *_, clock, _ in found], wanted)
    shares = [writing / CHECKPOINT_INTERVAL for *_, writing in found]
    tell("checkpoints step and best, share of 5 minutes", shares, "below 0.02")


def tell(what: str, values: list[float], wanted: str) -> None:
    """A line: median, smallest to largest, and what is wanted."""
    spread = f"{statistics.median(values):.4f} ({min(values):.4f} to {max(values):.4f})"
    print(f"{what:<55} {spread:<28} wanted {wanted}", flush=True)


def main() -> None:
    """Measures the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--camvid", type=Path, default=DEFAULT_CAMVID)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    parts, turns = given.parts or ["start", "confusion", "speed", "memory"], given.turns
    if unknown := set(parts) - {"start", "confusion", "speed", "memory", "kept"}:
        parser.error(f"no part {', '.join(sorted(unknown))}")
    if {"speed", "kept"} & set(parts) and not given.camvid.is_dir():
        parser.error(f"no CamVid at {given.camvid}: --camvid /path/to/camvid")
    start_logging(None)
    load, threads = os.getloadavg()[0], torch.get_num_threads()
    capability = torch.backends.cpu.get_cpu_capability()
    print(
        f"torch {torch.__version__}, {threads} threads, {capability}, {turns} turns, load {load:.1f} before", flush=True
    )
    if "start" in parts:
        begun, done = start_ratios(turns)
        tell("command to first step / bare imports", begun, "1.15 at most")
        tell("command to end of first step / bare imports", done, "-")
    if "confusion" in parts:
        tell("confusion matrix / torchmetrics collection", confusion_ratios(turns), "0.25 at most")
    if "speed" in parts:
        measure_speed(given.camvid, turns)
    if "memory" in parts:
        resident = memory()
        print(f"resident MB after 10, 25 and 50 epochs: {resident[9]:.0f}, {resident[24]:.0f}, {resident[49]:.0f}")
    if "kept" in parts:
        tell("speed with keep_freed_memory() / without", kept_ratios(given.camvid, turns), "-")


if __name__ == "__main__":
    main()
