"""What litseg adds to a training, as ratios to the bare work of PyTorch in the same run.

python -m tests.benchmarks.training [CAMVID_FOLDER]

U-Net/ResNet-18 on 8 CamVid images of 256 x 256 in channels_last and bfloat16 autocast with AdamW and cross-entropy.
litseg and the bare loop take turns, so that a machine whose speed drifts is the same for both; medians of the turns.
"""

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
from rich.console import Console
from rich.table import Table
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
    MulticlassRecall,
)

from litseg.cli.build import Parts, build
from litseg.cli.errors import CONF
from litseg.cli.logs import start_logging
from litseg.metrics import SegmentationMetrics
from litseg.models import create_network

TURNS, STEPS, VALIDATED, BATCH, SIZE, CLASSES = 5, 20, 10, 8, 256, 11
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
    """Seconds from the end of the first step to the end of the validation, and those in metrics and logging."""

    def __init__(self, parts: Parts) -> None:
        self.whole, self.training, self.logging = 0.0, 0.0, 0.0
        for thing, name in (
            (parts.module, "_add_losses"),
            (parts.module._metric("train"), "update"),
            *((logger, each) for logger in parts.trainer.loggers for each in ("log_metrics", "save")),
        ):
            object.__setattr__(thing, name, self._timed(getattr(thing, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **named)
            self.logging += time.perf_counter() - started
            return result

        return timed

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0:
            self._started, self.logging = time.perf_counter(), 0.0
        self.training, self.logged = time.perf_counter() - self._started, self.logging

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self.whole = time.perf_counter() - self._started


def trained(camvid: Path) -> tuple[Clock, float]:
    """One epoch of litseg from disk, with validation: its times, and the seconds of writing a checkpoint."""
    words = [
        "experiment=camvid_unet_ce", f"data.root={camvid}", f"data.resize=[{SIZE},{SIZE}]", "logger=csv",
        f"loader.batch_size={BATCH}", "trainer.accelerator=cpu", "trainer.precision=bf16-mixed",
        "trainer.channels_last=true", "trainer.enable_progress_bar=false", "trainer.max_epochs=1",
        f"+trainer.limit_train_batches={STEPS + 1}", f"+trainer.limit_val_batches={VALIDATED}",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        parts = build(compose("train", overrides=[*words, f"run_folder={folder}"]), Path(folder))
        clock = Clock(parts)
        parts.trainer.callbacks.append(clock)  # type: ignore[attr-defined]  # Lightning's list
        parts.trainer.fit(parts.module, datamodule=parts.data)
        return clock, checkpoint_seconds(parts, Path(folder))


def checkpoint_seconds(parts: Parts, folder: Path) -> float:
    """Of writing the whole state once."""
    return seconds(lambda: parts.trainer.save_checkpoint(folder / "timed.ckpt"), 1, warm_up=0)


def confusion_ratio() -> float:
    """Seconds of an update to those of torchmetrics' collection, whose groups its first update forms."""
    settings: dict[str, Any] = {"num_classes": CLASSES, "ignore_index": 255}
    kinds = (MulticlassJaccardIndex, MulticlassF1Score, MulticlassPrecision, MulticlassRecall, MulticlassAccuracy)
    peer = MetricCollection([kind(**settings) for kind in kinds])
    ours = SegmentationMetrics([str(label) for label in range(CLASSES)], "multiclass")
    logits = torch.randn(BATCH, CLASSES, SIZE, SIZE).to(memory_format=torch.channels_last)
    target = torch.randint(0, CLASSES, (BATCH, SIZE, SIZE))
    target[:, :8] = 255
    turns = [
        (seconds(lambda: ours.update(logits, target), 5), seconds(lambda: peer.update(logits, target), 5))
        for _ in range(TURNS)
    ]
    return statistics.median(our / their for our, their in turns)


def start_ratios() -> tuple[float, float]:
    """Seconds from the command to the first step, and to its end, to those of the bare imports."""
    imports = ["-c", "import torch, lightning, segmentation_models_pytorch"]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        target = "+callbacks.first_step._target_=tests.benchmarks.first_step.FirstStep"
        run = ["train.py", "experiment=unet_dice", "logger=csv", f"output={folder}", target]
        for turn in range(TURNS + 1):  # the first draws the data and fills the file cache
            times = [process(imports), process([*run, "+callbacks.first_step.done=false"]), process(run)]
            if turn:
                found.append((times[1] / times[0], times[2] / times[0]))
    begun, done = zip(*found, strict=True)
    return statistics.median(begun), statistics.median(done)


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


def main() -> None:
    """Prints the table."""
    camvid = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_CAMVID
    if not camvid.is_dir():
        sys.exit(f"no CamVid at {camvid}: give its folder, python -m tests.benchmarks.training /path/to/camvid")
    start_logging(None)
    table = Table("what", "measured", "wanted")
    begun, done = start_ratios()
    table.add_row("command to first step / bare imports", f"{begun:.3f}", "1.15 at most")
    table.add_row("command to end of first step / bare imports", f"{done:.3f}", "-")
    table.add_row("confusion matrix / torchmetrics collection", f"{confusion_ratio():.3f}", "0.25 at most")
    turns = [(*bare(), *trained(camvid)) for _ in range(TURNS)]
    speed = [STEPS * step / clock.training for step, _, clock, _ in turns]
    epoch = [(STEPS * step + VALIDATED * forward) / clock.whole for step, forward, clock, _ in turns]
    logged = [clock.logged / clock.training for _, _, clock, _ in turns]
    table.add_row("training from disk / bare step in memory, speed", spread(speed), "0.97 at least")
    table.add_row("epoch with validation / bare steps and forwards, speed", spread(epoch), "0.93 at least")
    table.add_row("metrics and logging, share of a step", spread(logged), "below 0.01")
    share = statistics.median(writing for *_, writing in turns) / CHECKPOINT_INTERVAL
    table.add_row("a checkpoint, share of 5 minutes", f"{share:.4f}", "below 0.02")
    resident = memory()
    table.add_row("resident MB after 10 and 50 epochs", f"{resident[9]:.0f}, {resident[49]:.0f}", "the same")
    console = Console(width=110)
    console.print(table)
    capability = torch.backends.cpu.get_cpu_capability()
    console.print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {capability}, {TURNS} turns")


def spread(values: list[float]) -> str:
    """Median, and smallest to largest."""
    return f"{statistics.median(values):.4f} ({min(values):.4f} to {max(values):.4f})"


if __name__ == "__main__":
    main()
