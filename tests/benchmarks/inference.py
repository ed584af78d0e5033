"""What the sliding window adds to the bare forward passes that it needs, as a ratio in the same run.

python -m tests.benchmarks.inference

U-Net/ResNet-18, windows of 512 with an overlap of 0.25. The bare passes run the network over as many windows in memory,
without softmax, blending or reading. Both take turns, so that a machine whose speed drifts is the same for both.
"""

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from litseg.inference import Windows, predictor, sliding_window
from litseg.inference.sliding_window import Grid
from litseg.models import SegmentationModel, create_network

Turn = tuple[tuple[float, float], tuple[float, float]]
TURNS, SIDE, WINDOW = 5, 896, 512


def seconds(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Of one call, by the clock, and of this process's cores: what neighbours take from them does not count there."""
    started, used = time.perf_counter(), time.process_time()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started, time.process_time() - used


def measure(classes: int, batch: int, device: torch.device) -> tuple[int, list[Turn]]:
    """Windows, and what the bare passes and the sliding window took, turn by turn."""
    network = create_network("unet", "resnet18", None, in_channels=3, classes=classes)
    model = SegmentationModel(network, [127.0] * 3, [60.0] * 3).eval().to(device)
    image = torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8)
    windows = Windows(WINDOW, batch=batch)
    count = len(Grid((SIDE, SIDE), classes, windows))
    some = image[None, :, :WINDOW, :WINDOW].repeat(batch, 1, 1, 1).to(device)

    @torch.inference_mode()
    def bare() -> None:
        for first in range(0, count, batch):
            model(some[: count - first])

    def slide() -> None:
        sliding_window(predictor(model, "multiclass", device), image, classes, windows)

    for work in (bare, slide):
        work()
    return count, [(seconds(bare, device), seconds(slide, device)) for _ in range(TURNS)]


def _ratio(turns: list[Turn], clock: int) -> str:
    ratios = sorted(slide[clock] / bare[clock] for bare, slide in turns)
    return f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"


def main() -> None:
    """Prints the table."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    table = Table("classes", "batch", "windows", "bare, ms", "sliding window, ms", "ratio (min to max)", "of core time")
    for classes, batch in ((6, 1), (19, 1), (19, 4)):
        count, turns = measure(classes, batch, device)
        times = (f"{statistics.median(turn[which][0] for turn in turns) * 1000:.0f}" for which in (0, 1))
        table.add_row(str(classes), str(batch), str(count), *times, _ratio(turns, 0), _ratio(turns, 1))
    Console(width=120).print(table)
    print(f"{SIDE} x {SIDE}, {device}, torch {torch.__version__}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
