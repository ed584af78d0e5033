"""Curves of `metrics.csv`: loss, mIoU and learning rate."""

import math
from collections.abc import Callable, Iterator
from functools import partial

from litseg.results.line_chart import Chart, Point, line_chart
from litseg.results.recorded_run import RecordedRun, number


def learning_curves(run: RecordedRun) -> list[Chart]:
    """Loss, mIoU and learning rate by epoch."""
    rates = max(_rates(run), key=lambda lines: max(map(len, lines.values()), default=0))
    label = _x(run)[1]
    charts = [
        line_chart("Loss", {name: curve(run, f"{name}/loss") for name in ("train", "val")}, label, whole=True),
        line_chart("mIoU", {name: curve(run, f"{name}/miou") for name in ("train", "val")}, label, whole=True),
        line_chart("Learning rate", rates, label, whole=True),
    ]
    return [chart for chart in charts if chart is not None]


def curve(run: RecordedRun, column: str) -> list[Point]:
    """A column of `metrics.csv` by epoch; without the final evaluation of the best checkpoint, which is no epoch."""
    x, _ = _x(run)
    epochs = [number(row.get("step")) for row in run.rows if row.get("train/loss")]
    last = max((step for step in epochs if step is not None), default=math.inf)
    values = ((number(row.get("step")), number(row.get(column))) for row in run.rows)
    return [(x(step), value) for step, value in values if step is not None and value is not None and step <= last]


def _x(run: RecordedRun) -> tuple[Callable[[float], float], str]:
    """From a step to epochs, where rows of whole epochs tell how many steps one has."""
    for row in run.rows:
        epoch, step = number(row.get("epoch")), number(row.get("step"))
        if row.get("train/loss") and epoch is not None and step is not None and epoch >= 0 and step >= 0:
            return partial(_epochs, (step + 1) / (epoch + 1)), "epoch"
    return partial(_epochs, 1.0), "optimizer step"


def _epochs(steps_in_one: float, step: float) -> float:
    return round((step + 1) / steps_in_one, 4)


def _rates(run: RecordedRun) -> Iterator[dict[str, list[Point]]]:
    """By step, as Lightning's monitor logs them, and by epoch."""
    columns = sorted({column for row in run.rows[:1] for column in row if column.startswith("lr-")})
    yield {column.removeprefix("lr-"): curve(run, column) for column in columns}
    yield {"learning rate": curve(run, "train/learning_rate")}
