"""Steady training throughput of litseg, data from disk, against a bare PyTorch loop on one batch in memory.

python -m tests.benchmarks.throughput [CAMVID_FOLDER]

Both train U-Net/ResNet-18 on 8 CamVid crops of 256 x 256 in channels_last and bfloat16 autocast with AdamW and
cross-entropy. The bare loop reads, augments, measures and logs nothing. They take turns in one process, so that a
machine whose speed drifts is the same for both; the medians of the turns are compared.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table

from litseg.cli.build import build
from litseg.cli.errors import CONF
from litseg.models import create_network

TURNS, STEPS, WARM_UP, BATCH, SIZE, CLASSES = 5, 20, 2, 8, 256, 11
DEFAULT_CAMVID = CONF.parents[1] / "shared" / "data" / "camvid"


def bare_loop() -> float:
    """Images per second of the shortest loop that trains."""
    torch.manual_seed(0)
    network = create_network("unet", "resnet18", None, in_channels=3, classes=CLASSES)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    images = torch.randn(BATCH, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    target = torch.randint(0, CLASSES, (BATCH, SIZE, SIZE))
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            started = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(network(images), target, ignore_index=255)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return BATCH * STEPS / (time.perf_counter() - started)


def litseg_loop(camvid: Path) -> float:
    """Images per second of a whole litseg training, as its own result.json reports it."""
    overrides = [
        "experiment=camvid_unet_ce", f"data.root={camvid}", "data.resize=null", "augmentation=crop", "logger=csv",
        f"loader.batch_size={BATCH}", f"trainer.max_steps={WARM_UP + STEPS}", "trainer.accelerator=cpu",
        "trainer.precision=bf16-mixed", "trainer.channels_last=true", "+trainer.limit_val_batches=1",
        "trainer.enable_progress_bar=false",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        parts = build(compose("train", overrides=[*overrides, f"run_folder={folder}"]), Path(folder))
        parts.trainer.fit(parts.module, datamodule=parts.data)
    assert parts.throughput.images_per_second is not None
    return parts.throughput.images_per_second


def main() -> None:
    """Prints the table."""
    camvid = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_CAMVID
    if not camvid.is_dir():
        sys.exit(f"no CamVid at {camvid}: give its folder, python -m tests.benchmarks.throughput /path/to/camvid")
    pairs = [(bare_loop(), litseg_loop(camvid)) for _ in range(TURNS)]
    columns = dict(zip(("bare, in memory", "litseg, from disk"), zip(*pairs, strict=True), strict=True))
    table = Table(title=f"training, U-Net/ResNet-18, {BATCH} x {SIZE} x {SIZE}, {TURNS} turns of {STEPS} steps")
    for heading in ("loop", "images/s (median)", "min to max"):
        table.add_column(heading)
    for name, speeds in columns.items():
        table.add_row(name, f"{statistics.median(speeds):.2f}", f"{min(speeds):.2f} to {max(speeds):.2f}")
    console = Console(width=100)
    console.print(table)
    console.print(f"ratio litseg / bare, median of the turns: {statistics.median(b / a for a, b in pairs):.3f}")
    capability = torch.backends.cpu.get_cpu_capability()
    console.print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {capability}")


if __name__ == "__main__":
    main()
