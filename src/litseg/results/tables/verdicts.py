"""What a table says about its source: within tolerance, direction holds, scaled down."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from litseg.results.tables.statistics import Summary
from litseg.results.tables.table import Column, Direction, Row, Table

Kind = Literal["within", "outside", "holds", "fails", "scaled", "missing", "unjudged"]
STANDARD_DEVIATIONS = 3
"""Between a mean and a committed one of the same table, of the committed one's standard deviation over seeds."""


@dataclass(frozen=True)
class Verdict:
    """One judgement.

    Attributes:
        kind: what it is; `outside`, `fails` and `missing` make check=true fail, `scaled` and `unjudged` claim nothing.
        what: row and column, or the claim.
        text: in words.
    """

    kind: Kind
    what: str
    text: str

    @property
    def failed(self) -> bool:
        """Whether check=true ends with an error because of it."""
        return self.kind in ("outside", "fails", "missing")

    @property
    def claims(self) -> bool:
        """Whether it could have failed."""
        return self.kind not in ("scaled", "unjudged")


def verdicts(table: Table, found: Mapping[tuple[str, str], Summary]) -> list[Verdict]:
    """Of every published value, then of every direction."""
    judged = [_missing(row) for row in table.rows if row.problems]
    for row in table.rows:
        for column in table.columns:
            if column.name in row.published and row.cells:
                judged.append(_published(table, row, column, found[row.name, column.name]))
    return judged + [_direction(table, direction) for direction in table.directions]


def _missing(row: Row) -> Verdict:
    problems = "; ".join(f"seed {seed}: {problem}" for seed, problem in row.problems.items())
    return Verdict("missing", row.title, problems)


def _published(table: Table, row: Row, column: Column, summary: Summary) -> Verdict:
    published, what = row.published[column.name], f"{row.title}, {column.title}"
    if math.isnan(summary.mean):
        return Verdict("missing", what, "not defined")
    ours = f"{row.shown(summary.mean, column)}, published {published:.10g}"
    if table.scale != "full" or table.changes.get(row.name):
        how = "scaled down" if table.scale != "full" else "other settings"
        return Verdict("scaled", what, f"{ours}: {how}, no claim about the value")
    tolerance = row.tolerance.get(column.name)
    if tolerance is None:
        return Verdict("unjudged", what, f"{ours}: no tolerance is known, no claim")
    inside = tolerance.holds(summary.mean, published)
    text = f"{ours} ({tolerance})" + ("" if inside else f": off by {row.shown(summary.mean - published, column)}")
    return Verdict("within" if inside else "outside", what, text)


def _direction(table: Table, direction: Direction) -> Verdict:
    """In how many seeds it holds."""
    rows = {row.name: row for row in table.rows}
    column = next(each for each in table.columns if each.name == direction.column)
    by = f" by at least {direction.by:g}" if direction.by else ""
    higher, lower = (rows[name].title if name in rows else name for name in (direction.higher, direction.lower))
    what = f"{column.title}: {higher} above {lower}{by}"
    if left := [name for name in (direction.higher, direction.lower) if name not in rows]:
        return Verdict("unjudged", what, f"not in this table: {', '.join(left)}")
    above, below = (rows[name].values(column) for name in (direction.higher, direction.lower))
    shared = sorted(set(above) & set(below))
    if not shared:
        return Verdict("missing", what, "no seed has both")
    differences = [above[seed] - below[seed] for seed in shared]
    held = sum(difference >= direction.by if direction.by else difference > 0 for difference in differences)
    shown = ", ".join(f"{difference:+.{column.digits}f}" for difference in differences)
    text = f"in {held} of {len(shared)} seeds ({shown})"
    return Verdict("holds" if held == len(shared) else "fails", what, text)


def against_committed(
    table: Table, found: Mapping[tuple[str, str], Summary], committed: Mapping[str, Mapping[str, tuple[float, float]]]
) -> list[Verdict]:
    """Of every mean that has no published value, beside that of the committed table.

    Args:
        table: the table.
        found: its summaries.
        committed: by row and column, mean and standard deviation over seeds, in the column's unit; empty for none.
    """
    return [
        _committed(row, column, found[row.name, column.name].mean, committed.get(row.name, {}).get(column.name))
        for row in table.rows
        for column in table.columns
        if committed and row.cells and column.name not in row.published
    ]


def _committed(row: Row, column: Column, ours: float, committed: tuple[float, float] | None) -> Verdict:
    what, digits = f"{row.title}, {column.title}", column.digits if row.digits is None else row.digits
    if committed is None:
        return Verdict("unjudged", what, f"{row.shown(ours, column)}: not in the committed table")
    mean, deviation = committed
    shown = f"{row.shown(ours, column)}, committed {row.shown(mean, column)}"
    if math.isnan(ours) and math.isnan(mean):
        return Verdict("within", what, "not defined in either")
    rounding = 0.5 * 10**-digits
    inside = abs(ours - mean) <= max(STANDARD_DEVIATIONS * (0.0 if math.isnan(deviation) else deviation), rounding)
    allowed = f" ± {STANDARD_DEVIATIONS} x {deviation:.{digits + 1}f}"
    allowed = " (one seed: nothing but rounding may differ)" if math.isnan(deviation) else allowed
    return Verdict("within" if inside else "outside", what, shown + allowed)
