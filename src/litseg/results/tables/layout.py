"""A table as text: what stands in each place, before it becomes Markdown, LaTeX or HTML."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from litseg.results.tables.statistics import Summary, groups
from litseg.results.tables.table import Column, Row, Table

MOST_COLUMNS = 9
Summaries = Mapping[tuple[str, str], Summary]


@dataclass(frozen=True)
class Place:
    """One place of a table.

    Attributes:
        value: the mean.
        spread: standard deviation over seeds; empty with one.
        interval: `[low, high]`; empty without.
        published: of the source; empty without.
        best: among the best of the column.
        beats: better than the reference row.
    """

    value: str
    spread: str = ""
    interval: str = ""
    published: str = ""
    best: bool = False
    beats: bool = False


@dataclass(frozen=True)
class Line:
    """One row: its title, its places by column, what a reader must know of it, and how many seeds it has."""

    title: str
    places: tuple[Place, ...]
    notes: tuple[int, ...]
    seeds: str


@dataclass(frozen=True)
class Layout:
    """All of a table that is printed.

    Attributes:
        heads: titles of the columns.
        notes: what the numbers behind row titles refer to, from 1.
        legend: how to read it.
    """

    heads: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    legend: tuple[str, ...]


def layout(table: Table, found: Summaries, intervals: bool = True) -> Layout:
    """The places of a table; one with many columns and few rows is turned. Without `intervals` its legend has none."""
    notes: list[str] = []
    lines = tuple(_line(table, row, found, notes) for row in table.rows)
    heads, legend = tuple(_head(column) for column in table.columns), tuple(_legend(table, lines, intervals))
    if is_turned(table):
        heads, lines = tuple(titled(line) for line in lines), _turned(heads, lines)
    return Layout(heads, lines, tuple(notes), legend)


def is_turned(table: Table) -> bool:
    """Whether its columns are shown as lines: of many columns and fewer rows, such as classes and their statistics."""
    return len(table.columns) > max(MOST_COLUMNS, len(table.rows))


def _turned(heads: tuple[str, ...], lines: tuple[Line, ...]) -> tuple[Line, ...]:
    return tuple(Line(head, tuple(line.places[place] for line in lines), (), "") for place, head in enumerate(heads))


def titled(line: Line) -> str:
    """A row's title with the numbers of its notes."""
    return line.title + "".join(f" ({note})" for note in line.notes)


def _head(column: Column) -> str:
    return f"{column.title}, %" if column.factor == 100 and column.better is not None else column.title


def _line(table: Table, row: Row, found: Summaries, notes: list[str]) -> Line:
    places = tuple(_place(row, column, found[row.name, column.name]) for column in table.columns)
    own = notes_of(row)
    for mark in own:
        if mark not in notes:
            notes.append(mark)
    seeds = str(len(row.cells)) if len(row.cells) == len(row.seeds) else f"{len(row.cells)} of {len(row.seeds)}"
    return Line(row.title, places, tuple(notes.index(mark) + 1 for mark in own), seeds)


def notes_of(row: Row) -> list[str]:
    """What a reader must know of a row: marks of its cells, and why some are not there."""
    marked = {
        mark: [cell.seed for cell in row.cells if mark in cell.marks] for cell in row.cells for mark in cell.marks
    }
    own = [mark if len(seeds) == len(row.cells) else f"{mark} (seed {', '.join(map(str, seeds))})"
           for mark, seeds in marked.items()]  # fmt: skip
    return list(dict.fromkeys([*own, *(f"seed {seed}: {problem}" for seed, problem in row.problems.items())]))


def _place(row: Row, column: Column, summary: Summary) -> Place:
    published = row.published.get(column.name)
    return Place(
        row.shown(summary.mean, column),
        "" if math.isnan(summary.std) else row.shown(summary.std, column),
        "" if summary.interval is None else f"[{', '.join(row.shown(each, column) for each in summary.interval)}]",
        "" if published is None else f"{published:.10g}",
        summary.best,
        summary.beats,
    )


def _legend(table: Table, lines: Sequence[Line], intervals: bool) -> list[str]:
    places = [place for line in lines for place in line.places]
    legend = []
    if any(place.spread for place in places):
        legend.append("± is the standard deviation over seeds")
    if any(place.interval for place in places):
        if intervals:
            legend.append("[low, high] is the 95 % bootstrap interval over images and, with several, seeds")
        bare = [column.title for place, column in enumerate(table.columns)
                if not any(line.places[place].interval for line in lines)]  # fmt: skip
        if bare:
            what = "no interval, bold or underline" if intervals else "no bold or underline"
            legend.append(f"{what} for {', '.join(bare)}: no counts by image are kept of it")
    if any(place.best for place in places):
        among = " among rows of the same test images" if len(groups(table)) > 1 else ""
        legend.append(
            f"bold: the best{among}, and what is not worse beyond chance (paired bootstrap over images, Holm, 0.05)"
        )
    if any(place.beats for place in places) and table.reference is not None:
        legend.append(f"underlined: better than {table.row(table.reference).title} beyond chance, likewise")
    if any(place.best for place in places) and not any(place.spread for place in places):
        legend.append("of one seed: beyond chance in the choice of images, not in the training")
    if any(place.published for place in places):
        legend.append("in round brackets: published")
    return legend
