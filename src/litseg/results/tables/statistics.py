"""Mean and spread over seeds, intervals over images, and which differences are more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from litseg.results.tables.table import Column, Replicates, Row, Table

LEVEL = 0.05
"""Differences whose corrected p-value is below count as more than chance."""


@dataclass(frozen=True)
class Summary:
    """A row in a column, in the column's unit.

    Attributes:
        mean: over the seeds; NaN without a value.
        std: over the seeds, sample standard deviation; NaN below two.
        interval: 95 percent, over images and seeds; None where no image was kept apart.
        p: that the difference from the reference row is chance, corrected; None where it is not compared.
        best: the best row of the column, or not worse than that beyond chance.
        beats: better than the reference beyond chance.
    """

    mean: float
    std: float
    seeds: int
    interval: tuple[float, float] | None = None
    p: float | None = None
    best: bool = False
    beats: bool = False


def summaries(table: Table) -> dict[tuple[str, str], Summary]:
    """By (row, column)."""
    return {key: value for column in table.columns for key, value in _column(table, column).items()}


def _column(table: Table, column: Column) -> dict[tuple[str, str], Summary]:
    replicates = {row.name: each for row in table.rows if (each := row_replicates(row, column)) is not None}
    means = {row.name: _mean(row, column) for row in table.rows}
    better = {} if column.better is None else _compared(table, column, means, replicates)
    found = {}
    for row in table.rows:
        values = np.array(list(row.values(column).values()))
        values = values[~np.isnan(values)]
        drawn = replicates.get(row.name)
        interval = None if drawn is None else (float(np.percentile(drawn, 2.5)), float(np.percentile(drawn, 97.5)))
        std = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        p, best, beats = better.get(row.name, (None, False, False))
        found[row.name, column.name] = Summary(means[row.name], std, len(values), interval, p, best, beats)
    return found


def row_replicates(row: Row, column: Column) -> Replicates | None:
    """The mean over drawn seeds, of each resample of the images, in the column's unit.

    Seeds are drawn with replacement too, on their own for each row, so that the spread between trainings counts. With
    one seed it does not: then the interval is that of these weights on other images.

    Returns:
        (R,), None where a cell has none.
    """
    kept = [cell.replicates.get(column.score) for cell in row.cells]
    if not kept or any(each is None for each in kept):
        return None
    values = column.factor * np.stack([each for each in kept if each is not None])
    generator = np.random.default_rng([len(kept), *row.name.encode()])
    drawn = generator.integers(0, len(values), (len(values), values.shape[1]))
    return np.asarray(values[drawn, np.arange(values.shape[1])].mean(axis=0))


def _mean(row: Row, column: Column) -> float:
    values = [value for value in row.values(column).values() if not np.isnan(value)]
    return float(np.mean(values)) if values else float("nan")


def _compared(
    table: Table, column: Column, means: Mapping[str, float], replicates: Mapping[str, Replicates]
) -> dict[str, tuple[float | None, bool, bool]]:
    """By row: corrected p-value against the reference, whether among the best, whether better than the reference."""
    sign = 1 if column.better == "higher" else -1
    names = [row.name for row in table.rows if row.name in replicates]
    if not names:
        return {}
    first = max(names, key=lambda name: sign * means[name])
    to_best = against(first, names, table, replicates)
    to_reference = {} if table.reference is None else against(table.reference, names, table, replicates)
    return {
        name: (
            to_reference.get(name),
            name == first or to_best.get(name, 0.0) >= LEVEL,
            to_reference.get(name, 1.0) < LEVEL and sign * (means[name] - means[str(table.reference)]) > 0,
        )
        for name in names
    }


def against(other: str, names: Sequence[str], table: Table, replicates: Mapping[str, Replicates]) -> dict[str, float]:
    """Corrected p-values of the differences from one row, by the paired bootstrap over images.

    Pairs have scored the same images, drawn alike; rows of other images are not compared.
    """
    if other not in replicates:
        return {}
    images = {row.name: {cell.images for cell in row.cells} for row in table.rows}
    compared = [name for name in names if name != other and images[name] == images[other] and len(images[other]) == 1]
    return dict(zip(compared, holm([p_value(replicates[name] - replicates[other]) for name in compared]), strict=True))


def p_value(differences: NDArray[np.floating]) -> float:
    """Two-sided: twice the smaller share of resampled differences on either side of 0; Efron and Tibshirani 1993.

    Args:
        differences: (R,).
    """
    beyond = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return float(min(1.0, 2 * (beyond + 1) / (len(differences) + 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected for so many comparisons: the k-th smallest times n - k, at least that of a smaller one; Holm 1979."""
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = highest
    return corrected
