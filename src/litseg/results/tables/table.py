"""What a table is made of: columns, rows of cells, and what its source claims."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Replicates = NDArray[np.float32]
Better = Literal["higher", "lower"] | None


@dataclass(frozen=True)
class Column:
    """One score of every row.

    Attributes:
        name: in the config.
        title: as it is shown.
        score: what a cell calls it, such as `test/miou`.
        factor: what it is multiplied by to be shown and compared: 100 for percent.
        digits: behind the point.
        better: which values are; None where neither is.
    """

    name: str
    title: str
    score: str
    factor: float = 100.0
    digits: int = 1
    better: Better = "higher"


@dataclass(frozen=True)
class Tolerance:
    """Within which a value reproduces a published one: an absolute or a relative difference, or a range.

    At most one is set.
    """

    absolute: float | None = None
    relative: float | None = None
    low: float | None = None
    high: float | None = None

    def holds(self, value: float, published: float) -> bool:
        """Whether the value is inside; both in the column's unit."""
        if self.low is not None or self.high is not None:
            return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        if self.relative is not None:
            return abs(value - published) <= self.relative * abs(published)
        return self.absolute is not None and abs(value - published) <= self.absolute

    def __str__(self) -> str:
        if self.low is not None or self.high is not None:
            low, high = ("" if each is None else f"{each:g}" for each in (self.low, self.high))
            return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"
        if self.relative is not None:
            return f"± {100 * self.relative:g} %"
        return f"± {self.absolute:g}" if self.absolute else "exactly"


@dataclass(frozen=True)
class Cell:
    """One training, or one statistic, that is finished.

    Attributes:
        seed: of the training.
        scores: by name, as fractions.
        replicates: of some scores, over resamples of the images (R,).
        images: tells whether two cells have scored the same images.
        marks: what a reader must know, such as `uncommitted changes`.
        record: provenance: key, commit, versions, machine, run folder, seconds.
    """

    seed: int
    scores: Mapping[str, float]
    replicates: Mapping[str, Replicates] = field(default_factory=dict)
    images: str | None = None
    marks: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One setting: its finished cells by seed, and the published values by column, in the columns' unit.

    Attributes:
        name: in the config.
        title: as it is shown.
        seeds: that are wanted.
        cells: that are there.
        published: by column.
        tolerance: by column.
        problems: by seed, why a cell is not there.
        digits: behind the point in this row; None: as the column says.
    """

    name: str
    title: str
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...] = ()
    published: Mapping[str, float] = field(default_factory=dict)
    tolerance: Mapping[str, Tolerance] = field(default_factory=dict)
    problems: Mapping[int, str] = field(default_factory=dict)
    digits: int | None = None

    def shown(self, value: float, column: Column) -> str:
        """A value of this row, `-` where there is none."""
        digits = column.digits if self.digits is None else self.digits
        return "-" if math.isnan(value) else f"{value:.{digits}f}"

    def values(self, column: Column) -> dict[int, float]:
        """By seed, in the column's unit; NaN where the score is not defined."""
        return {cell.seed: column.factor * cell.scores.get(column.score, float("nan")) for cell in self.cells}


@dataclass(frozen=True)
class Direction:
    """A claim that one row's values are above another's in a column, by at least so much in the column's unit."""

    column: str
    higher: str
    lower: str
    by: float = 0.0


@dataclass(frozen=True)
class Table:
    """A table, ready to be judged and printed.

    Attributes:
        name: in the config.
        scale: `full`, or what it was scaled down to.
        changes: of the settings, by row: setting -> `full -> here`; empty where the table is as its file has it.
        reference: name of the row that others are compared with.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    source: str | None = None
    convention: str | None = None
    directions: Sequence[Direction] = ()
    reference: str | None = None
    scale: str = "full"
    changes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def variant(self) -> str:
        """Its scale, and whether there is more that is not as its file has it."""
        return "full, changed" if self.scale == "full" and self.changes else self.scale

    def row(self, name: str) -> Row:
        """By its name."""
        return next(row for row in self.rows if row.name == name)
