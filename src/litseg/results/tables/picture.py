"""A table as a picture: a panel a column, a row's seeds, mean and interval, and what was published."""

import math
from pathlib import Path

from matplotlib.figure import Figure

from litseg.results.tables.layout import Summaries
from litseg.results.tables.table import Column, Table

MOST_PANELS = 8
INK, OURS, PUBLISHED = "#333333", "#2563a8", "#c2410c"


def write_picture(table: Table, found: Summaries, path: Path) -> None:
    """Writes a PNG. Of more columns than fit side by side, the first are shown."""
    columns = list(table.columns)[:MOST_PANELS]
    height = 1.3 + 0.34 * len(table.rows)
    figure = Figure(figsize=(2.2 + 2.4 * len(columns), height), layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for panel, column in zip(panels, columns, strict=True):
        _panel(panel, table, column, found)
    panels[0].set_yticks(range(len(table.rows)), [row.title for row in table.rows])
    panels[0].set_ylim(len(table.rows) - 0.4, -0.6)
    shown = "dot: mean, ticks: seeds, line: 95 % interval"
    shown += ", diamond: published" if any(row.published for row in table.rows) else ""
    shown += f"; not shown: {', '.join(each.title for each in left)}" if (left := table.columns[MOST_PANELS:]) else ""
    figure.supxlabel(shown, fontsize=8, color=INK)
    figure.savefig(path, dpi=150)


def _panel(panel, table: Table, column: Column, found: Summaries) -> None:  # type: ignore[no-untyped-def]  # an Axes
    for place, row in enumerate(table.rows):
        summary = found[row.name, column.name]
        if summary.interval is not None:
            panel.plot(summary.interval, [place, place], color=OURS, linewidth=2, solid_capstyle="butt")
        if not math.isnan(summary.mean):
            seeds = list(row.values(column).values())
            panel.plot(seeds, [place] * len(seeds), "|", color=OURS, markersize=7, alpha=0.6)
            panel.plot([summary.mean], [place], "o", color=OURS, markersize=5)
        if (published := row.published.get(column.name)) is not None:
            panel.plot([published], [place], "D", color=PUBLISHED, markerfacecolor="none", markersize=6)
    panel.set_title(f"{column.title}, %" if column.factor == 100 else column.title, fontsize=10, color=INK)
    panel.grid(axis="x", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, labelsize=9, colors=INK)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
