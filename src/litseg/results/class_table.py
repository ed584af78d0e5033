"""The per-class table that a run ends with."""

import math
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

COLUMNS = ("iou", "dice", "precision", "recall")
MEANS = {"iou": "miou", "dice": "mdice", "precision": "precision", "recall": "recall"}


def class_table(metrics: Mapping[str, float], class_names: Sequence[str], title: str) -> Table:
    """Percent per class and their means; a dash where a class occurs in neither truth nor prediction.

    Args:
        metrics: fractions by name: `iou/<class>`, `miou` and so on.
        class_names: the rows.
        title: above the table.
    """
    table = Table(title=Text(title), title_justify="left")
    table.add_column("class")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for name in class_names:
        table.add_row(Text(name), *(_percent(metrics.get(f"{column}/{name}")) for column in COLUMNS))
    table.add_section()
    table.add_row("mean", *(_percent(metrics.get(MEANS[column])) for column in COLUMNS), style="bold")
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.2f}"
