"""Boundary metrics of litseg and of MONAI, and what each part of an evaluation costs, on 360 x 480 with 11 classes.

python -m tests.benchmarks.metrics [TURNS]

Prints Markdown tables: milliseconds an image, medians of turns; in a turn each call runs once, so that what else the
machine does falls on all of them. MONAI's masks are one-hot before the clock starts.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

import monai.metrics
import torch
import torch.nn.functional as F
from torch import Tensor

from litseg.metrics import BoundaryMetrics, EvaluationMetrics, SegmentationMetrics
from litseg.metrics.boundary import Labels
from litseg.metrics.surface_distance import average_symmetric_distance, hausdorff95, matches, surface_distances

CLASSES, SIZE, IMAGES = 11, (360, 480), 4
NAMES = [f"class{index}" for index in range(CLASSES)]
Calls = dict[str, Callable[[], object]]


def street() -> tuple[Tensor, Tensor]:
    """Logits (N, C, H, W) and targets (N, H, W) of smooth regions that agree in most pixels, 4 % void."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(IMAGES, CLASSES, 9, 12, generator=generator)
    truth = F.interpolate(coarse, SIZE, mode="bicubic")
    noise = F.interpolate(torch.randn(IMAGES, CLASSES, 45, 60, generator=generator), SIZE, mode="bicubic")
    void = F.interpolate(torch.rand(IMAGES, 1, 18, 24, generator=generator), SIZE)[:, 0] < 0.04
    return 4 * (truth + 0.2 * noise), truth.argmax(1).masked_fill(void, 255)


def one_hot(labels: Tensor, target: Tensor) -> Tensor:
    valid = (target != 255).unsqueeze(-1)
    return (F.one_hot(labels.where(target != 255, 0), CLASSES) * valid).movedim(-1, 1).float()


def of_monai(prediction: Tensor, target: Tensor) -> Calls:
    """Its functions on the masks."""
    masks, m = (one_hot(prediction, target), one_hot(target, target)), monai.metrics
    kept = {"include_background": True}
    return {
        "Hausdorff 95": lambda: m.compute_hausdorff_distance(*masks, percentile=95, **kept),
        "average symmetric surface distance": lambda: m.compute_average_surface_distance(
            *masks, symmetric=True, **kept
        ),
        "contours within a tolerance (surface Dice; BF)": lambda: m.compute_surface_dice(
            *masks, [4.5] * CLASSES, **kept
        ),
    }


def of_litseg(prediction: Tensor, target: Tensor) -> Calls:
    """Each alone, and at last all that `BoundaryMetrics` measures, Boundary IoU included."""
    truth, said = (each.masked_fill(target == 255, CLASSES).byte().numpy() for each in (target, prediction))

    def each(measure: Callable[..., object]) -> Callable[[], object]:
        def call() -> object:
            pairs: list[tuple[Labels, Labels]] = list(zip(truth, said, strict=True))
            return [measure(surface) for pair in pairs for surface in surface_distances(*pair, CLASSES)]

        return call

    metric = BoundaryMetrics(NAMES, "multiclass")
    return {
        "Hausdorff 95": each(hausdorff95),
        "average symmetric surface distance": each(average_symmetric_distance),
        "contours within a tolerance (surface Dice; BF)": each(lambda surface: matches(surface, 4.5)),
        "all, and Boundary IoU": lambda: metric.update(prediction, target),
    }


def medians(calls: Calls, turns: int) -> dict[str, float]:
    """Milliseconds an image; the first turn is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(turns + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - start) / IMAGES)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def against_monai(logits: Tensor, target: Tensor, turns: int) -> None:
    """MONAI does one thing at a time; all of its three are beside all of ours."""
    prediction = logits.argmax(1)
    ours, theirs = of_litseg(prediction, target), of_monai(prediction, target)
    found = medians({f"litseg {k}": v for k, v in ours.items()} | {f"MONAI {k}": v for k, v in theirs.items()}, turns)
    found["MONAI all, and Boundary IoU"] = sum(found[f"MONAI {name}"] for name in theirs)
    print(f"| {IMAGES} images | litseg | MONAI {version('monai')} | ratio |\n|---|---|---|---|")
    for name in ours:
        a, b = found[f"litseg {name}"], found[f"MONAI {name}"]
        print(f"| {name} | {a:.1f} | {b:.1f}{' (the three above)' if 'all' in name else ''} | {a / b:.2f} |")


def parts(logits: Tensor, target: Tensor, turns: int) -> None:
    """What each part adds to an evaluation."""
    ids = [str(index) for index in range(IMAGES)]
    metrics: dict[str, SegmentationMetrics | EvaluationMetrics] = {
        "SegmentationMetrics": SegmentationMetrics(NAMES, "multiclass"),
        "EvaluationMetrics, no parts": EvaluationMetrics(NAMES, "multiclass", ()),
        "with boundary": EvaluationMetrics(NAMES, "multiclass", ["boundary"]),
        "with calibration": EvaluationMetrics(NAMES, "multiclass", ["calibration"]),
        "with ranking": EvaluationMetrics(NAMES, "multiclass", ["ranking"]),
        "with all": EvaluationMetrics(NAMES, "multiclass"),
    }

    def update(metric: SegmentationMetrics | EvaluationMetrics) -> Callable[[], object]:
        if isinstance(metric, EvaluationMetrics):
            return lambda: metric.update(logits, target, ids)
        return lambda: metric.update(logits, target)

    print("\n| update of | ms an image |\n|---|---|")
    for name, value in medians({name: update(metric) for name, metric in metrics.items()}, turns).items():
        print(f"| {name} | {value:.1f} |")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    logits, target = street()
    against_monai(logits, target, turns)
    parts(logits, target, turns)
