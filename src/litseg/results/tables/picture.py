"""A table as a picture: a panel a column, a row's seeds, mean and interval, and what was published."""

import math
from pathlib import Path

from matplotlib.figure import Figure

from litseg.results.tables.layout import Summaries, is_turned
from litseg.results.tables.table import Column, Row, Table

MOST_PANELS = 8
INK, OURS, PUBLISHED = "#333333", "#2563a8", "#c2410c"
Panel = tuple[str, list[tuple[Row, Column]]]
"""A title, and what its lines show."""


def write_picture(table: Table, found: Summaries, path: Path) -> None:
    """Writes a PNG. Of more panels than fit side by side, the first are shown; a turned table has a panel a row."""
    names, panels = _panels(table)
    shown, left = panels[:MOST_PANELS], panels[MOST_PANELS:]
    figure = Figure(figsize=(2.2 + 2.4 * len(shown), 1.3 + 0.34 * len(names)), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for panel, (title, lines) in zip(axes, shown, strict=True):
        _draw(panel, title, lines, found)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    legend = "dot: mean, ticks: seeds, line: 95 % interval"
    legend += ", diamond: published" if any(row.published for row in table.rows) else ""
    legend += f"; not shown: {', '.join(title for title, _ in left)}" if left else ""
    figure.supxlabel(legend, fontsize=8, color=INK)
    figure.savefig(path, dpi=150)


def _panels(table: Table) -> tuple[list[str], list[Panel]]:
    """The names of the lines, and the panels."""
    if is_turned(table):  # its rows are unlike, such as weights and pixels
        by_row = [(row.title, [(row, column) for column in table.columns]) for row in table.rows]
        return [column.title for column in table.columns], by_row
    by_column = [
        (f"{column.title}, %" if column.factor == 100 else column.title, [(row, column) for row in table.rows])
        for column in table.columns
    ]
    return [row.title for row in table.rows], by_column


def _draw(panel, title: str, lines: list[tuple[Row, Column]], found: Summaries) -> None:  # type: ignore[no-untyped-def]  # an Axes
    for place, (row, column) in enumerate(lines):
        summary = found[row.name, column.name]
        if summary.interval is not None:
            panel.plot(summary.interval, [place, place], color=OURS, linewidth=2, solid_capstyle="butt")
        if not math.isnan(summary.mean):
            seeds = list(row.values(column).values())
            panel.plot(seeds, [place] * len(seeds), "|", color=OURS, markersize=7, alpha=0.6)
            panel.plot([summary.mean], [place], "o", color=OURS, markersize=5)
        if (published := row.published.get(column.name)) is not None:
            panel.plot([published], [place], "D", color=PUBLISHED, markerfacecolor="none", markersize=6)
    panel.set_title(title, fontsize=10, color=INK)
    panel.grid(axis="x", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, labelsize=9, colors=INK)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
