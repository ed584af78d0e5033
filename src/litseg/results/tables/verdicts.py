"""What a table says about its source: within tolerance, direction holds, scaled down."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from litseg.results.tables.statistics import Summary
from litseg.results.tables.table import Column, Direction, Row, Table

Kind = Literal["within", "outside", "holds", "fails", "scaled", "missing"]
STANDARD_DEVIATIONS = 3
"""Between a mean and a committed one of the same table, of the committed one's standard deviation over seeds."""


@dataclass(frozen=True)
class Verdict:
    """One judgement.

    Attributes:
        kind: what it is; `outside`, `fails` and `missing` make check=true fail.
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


def verdicts(table: Table, found: Mapping[tuple[str, str], Summary]) -> list[Verdict]:
    """Of every published value, then of every direction."""
    judged = [_missing(row) for row in table.rows if row.problems]
    for row in table.rows:
        for column in table.columns:
            if column.name in row.published and row.cells:
                judged.append(_published(table, row, column, found[row.name, column.name]))
    return judged + [each for direction in table.directions if (each := _direction(table, direction)) is not None]


def _missing(row: Row) -> Verdict:
    problems = "; ".join(f"seed {seed}: {problem}" for seed, problem in row.problems.items())
    return Verdict("missing", row.title, problems)


def _published(table: Table, row: Row, column: Column, summary: Summary) -> Verdict:
    published, what = row.published[column.name], f"{row.title}, {column.title}"
    ours = f"{row.shown(summary.mean, column)}, published {published:.10g}"
    if table.scale != "full" or table.changes.get(row.name):
        how = "scaled down" if table.scale != "full" else "other settings"
        return Verdict("scaled", what, f"{ours}: {how}, no claim about the value")
    tolerance = row.tolerance.get(column.name)
    if tolerance is None:
        return Verdict("within", what, f"{ours}: no tolerance is known, no claim")
    if math.isnan(summary.mean):
        return Verdict("missing", what, "not defined")
    inside = tolerance.holds(summary.mean, published)
    text = f"{ours} ({tolerance})" + ("" if inside else f": off by {row.shown(summary.mean - published, column)}")
    return Verdict("within" if inside else "outside", what, text)


def _direction(table: Table, direction: Direction) -> Verdict | None:
    """In how many seeds it holds; None where a row was left out."""
    rows = {row.name: row for row in table.rows}
    if direction.higher not in rows or direction.lower not in rows:
        return None
    column = next(each for each in table.columns if each.name == direction.column)
    higher, lower = rows[direction.higher], rows[direction.lower]
    above, below = higher.values(column), lower.values(column)
    shared = sorted(set(above) & set(below))
    by = f" by at least {direction.by:g}" if direction.by else ""
    what = f"{column.title}: {higher.title} above {lower.title}{by}"
    if not shared:
        return Verdict("missing", what, "no seed has both")
    differences = [above[seed] - below[seed] for seed in shared]
    held = sum(difference >= direction.by if direction.by else difference > 0 for difference in differences)
    shown = ", ".join(f"{difference:+.{column.digits}f}" for difference in differences)
    text = f"holds in {held} of {len(shared)} seeds ({shown})"
    return Verdict("holds" if held == len(shared) else "fails", what, text)


def against_committed(
    table: Table, found: Mapping[tuple[str, str], Summary], committed: Mapping[str, Mapping[str, tuple[float, float]]]
) -> list[Verdict]:
    """Of every mean beside that of the committed table.

    Args:
        table: the table.
        found: its summaries.
        committed: by row and column, mean and standard deviation over seeds, in the column's unit.
    """
    judged = []
    for row in table.rows:
        for column in table.columns:
            if column.name not in committed.get(row.name, {}):
                continue
            mean, std = committed[row.name][column.name]
            allowed = max(STANDARD_DEVIATIONS * (0.0 if math.isnan(std) else std), 0.5 * 10**-column.digits)
            ours, what = found[row.name, column.name].mean, f"{row.title}, {column.title}"
            difference = abs(ours - mean)
            inside = difference <= allowed or (math.isnan(ours) and math.isnan(mean))
            shown = f"{ours:.{column.digits}f}, committed {mean:.{column.digits}f}, {allowed:.{column.digits}f} allowed"
            judged.append(Verdict("within" if inside else "outside", what, shown))
    return judged
