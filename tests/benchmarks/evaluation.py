"""What loading from disk and metrics add to the bare forward passes of `litseg evaluate`, as ratios in the same run.

python -m tests.benchmarks.evaluation RUN_FOLDER [TURNS] [key=value ...]

The bare passes work on the same batches in memory, at the run's precision and memory format. Images are read from disk
each time (`data.cache=none`). All take turns, so that a machine whose speed drifts is the same for all; medians, by the
clock and by the time of this process's cores, which neighbours do not take from it.
"""

import statistics
import sys
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from litseg.cli.evaluation.data import config_with, evaluation_data
from litseg.cli.evaluation.evaluate import measure
from litseg.cli.load_run import load_run
from litseg.cli.wiring.forward import build_forward
from litseg.metrics import EvaluationMetrics
from litseg.metrics.evaluation import PARTS, Part
from tests.benchmarks.inference import seconds

BATCHES = 6
CASES: dict[str, tuple[Part, ...]] = {
    "confusion matrices": (),
    "with boundary": ("boundary",),
    "with calibration": ("calibration",),
    "with ranking": ("ranking",),
    "all (the default)": PARTS,
}


def main() -> None:
    """Prints the table."""
    folder, *words = sys.argv[1:]
    turns = int(words.pop(0)) if words and words[0].isdecimal() else 5
    words = ["data.cache=none", f"+trainer.limit_test_batches={BATCHES}", *words]
    run = load_run(folder, device="cpu")
    cfg = config_with(run, words)
    forward = build_forward(run, cfg)
    data = evaluation_data(run, cfg, "test", words, forward.device.type)
    batches = [batch for _, batch in zip(range(BATCHES), data.loader, strict=False)]
    images = sum(len(batch["id"]) for batch in batches)

    def bare() -> None:
        for batch in batches:
            forward(batch["image"])

    def load() -> None:
        for _ in zip(range(BATCHES), data.loader, strict=False):
            pass

    def evaluate(parts: tuple[Part, ...]) -> Callable[[], None]:
        return lambda: measure(EvaluationMetrics(data.source.class_names, data.source.task, parts).to(forward.device),
                               cfg, forward, forward.device, data)  # fmt: skip

    calls = {"bare": bare, "loading alone": load} | {name: evaluate(parts) for name, parts in CASES.items()}
    bare()
    times = [{name: seconds(call, forward.device) for name, call in calls.items()} for _ in range(turns)]
    table = Table("what", "images/s", "of bare, median (min to max)", "core ms an image", "of bare, by core time")
    for name in calls:
        of_bare = [[turn["bare"][clock] / turn[name][clock] for turn in times] for clock in (0, 1)]
        wall, cores = (statistics.median(turn[name][clock] for turn in times) / images for clock in (0, 1))
        spread = f"{statistics.median(of_bare[0]):.2f} ({min(of_bare[0]):.2f} to {max(of_bare[0]):.2f})"
        table.add_row(name, f"{1 / wall:.1f}", spread, f"{1000 * cores:.1f}", f"{statistics.median(of_bare[1]):.2f}")
    Console(width=120).print(table)
    size = " x ".join(map(str, batches[0]["image"].shape[2:]))
    print(f"{images} images of {size}, {forward.device}, torch {torch.__version__}, "
          f"{torch.get_num_threads()} threads, {data.loader.num_workers} loader processes")  # fmt: skip


if __name__ == "__main__":
    main()
