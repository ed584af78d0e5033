"""Where the lines, bars and ticks of a chart lie; a template draws them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 360, 220
"""Of the drawing, in pixels of a phone: text keeps its size there, and desktops set charts side by side."""
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 34
MOST_POINTS, MOST_DOTS = 200, 30
Point = tuple[float, float]
Range = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line. `points`: as SVG wants them; `dots`: drawn where there are few; `marker`: a vertical line at this x."""

    name: str
    points: str
    dots: list[Point]
    marker: float | None = None


@dataclass(frozen=True)
class Chart:
    """A chart, ready to be drawn.

    Attributes:
        title: above it.
        description: what a reader who does not see it should know.
        x_label: below the horizontal axis.
        lines: in the order of their colours.
        x_ticks: position and text.
        y_ticks: position and text.
        values: JSON of [[x, y, left, top], ...] by line, for reading values off.
        bars: left, top, width, height, text.
        diagonal: whether y = x is drawn.
    """

    title: str
    description: str
    x_label: str
    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    values: str = "[]"
    bars: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    diagonal: str = ""


def line_chart(
    title: str,
    lines: Mapping[str, Sequence[Point]],
    x_label: str,
    x_range: Range | None = None,
    y_range: Range | None = None,
    markers: Mapping[str, float] | None = None,
    whole: bool = False,
) -> Chart | None:
    """Lines by name; those without a point are left out.

    Args:
        title: above the chart.
        lines: points (x, y), finite, x ascending.
        x_label: what x is.
        x_range: None: that of the points.
        y_range: None: that of the points.
        markers: an x by line at which a vertical line is drawn.
        whole: x is ticked at whole numbers only.

    Returns:
        None where no line has a point.
    """
    kept = {name: _thinned(points) for name, points in lines.items() if points}
    if not kept:
        return None
    across = x_range or _range([x for points in kept.values() for x, _ in points])
    up = y_range or _range([y for points in kept.values() for _, y in points])
    placed = {name: [_place(point, across, up) for point in points] for name, points in kept.items()}
    marks = {name: _place((x, 0), across, up)[0] for name, x in (markers or {}).items()}
    drawn = [
        Line(name, " ".join(f"{x},{y}" for x, y in points), points if len(points) <= MOST_DOTS else [], marks.get(name))
        for name, points in placed.items()
    ]
    values = [[[*point, *place] for point, place in zip(kept[name], placed[name], strict=True)] for name in kept]
    x_ticks, y_ticks = _all_ticks(across, up, 1.0 if whole and across[1] - across[0] >= 1 else 0.0)
    return Chart(title, _described(title, kept, x_label), x_label, drawn, x_ticks, y_ticks, json.dumps(values))


def bar_chart(
    title: str, description: str, heights: Sequence[float | None], texts: Sequence[str], x_label: str, diagonal: bool
) -> Chart:
    """Bars side by side over 0 to 1, each as high as its share.

    Args:
        title: above the chart.
        description: for readers who do not see it.
        heights: 0 to 1; None: no bar.
        texts: what a bar says when pointed at.
        x_label: what x is.
        diagonal: draw y = x.
    """
    unit, bars = (0.0, 1.0), []
    for index, (height, text) in enumerate(zip(heights, texts, strict=True)):
        left, top = _place((index / len(heights), height or 0.0), unit, unit)
        right, bottom = _place(((index + 1) / len(heights), 0.0), unit, unit)
        if height is not None:
            bars.append((left + 1, top, round(right - left - 2, 2), round(bottom - top, 2), text))
    line = " ".join(f"{x},{y}" for x, y in (_place((end, end), unit, unit) for end in unit)) if diagonal else ""
    x_ticks, y_ticks = _all_ticks(unit, unit)
    return Chart(title, description, x_label, [], x_ticks, y_ticks, bars=bars, diagonal=line)


def _place(point: Point, across: Range, up: Range) -> Point:
    x = (point[0] - across[0]) / (across[1] - across[0])
    y = (point[1] - up[0]) / (up[1] - up[0])
    return round(LEFT + x * (WIDTH - LEFT - RIGHT), 2), round(HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM), 2)


def _range(values: Sequence[float]) -> Range:
    """From the lowest to the highest, a little wider where they are the same."""
    low, high = min(values), max(values)
    slack = 0.0 if high > low else abs(high) / 2 or 0.5
    return low - slack, high + slack


def _all_ticks(
    across: Range, up: Range, x_step: float = 0.0
) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    return (
        [(_place((x, up[0]), across, up)[0], text) for x, text in _ticks(*across, least=x_step)],
        [(_place((across[0], y), across, up)[1], text) for y, text in _ticks(*up)],
    )


def _ticks(low: float, high: float, least: float = 0.0) -> list[tuple[float, str]]:
    """Three to six round numbers in the range, at least so far apart."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(least, next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(index * step, f"{index * step:.4g}") for index in range(first, last + 1)]


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Every n-th point and the last."""
    every = math.ceil(len(points) / MOST_POINTS)
    kept = list(points[::every])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def _described(title: str, lines: Mapping[str, Sequence[Point]], x_label: str) -> str:
    ends = [f"{name} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for name, points in list(lines.items())[:8]]
    return f"{title}, {x_label} across: {'; '.join(ends)}"
