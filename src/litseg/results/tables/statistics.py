"""Mean and spread over seeds, intervals over images, and which differences are more than chance."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from litseg.results.tables.table import Column, Replicates, Row, Table

LEVEL = 0.05
"""Differences whose corrected p-value is below count as more than chance."""
LEAST = 100
"""Resamples from which a normal distribution is fitted."""


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
        interval = None if row.name not in replicates else _interval(replicates[row.name])
        std = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        p, best, beats = better.get(row.name, (None, False, False))
        found[row.name, column.name] = Summary(means[row.name], std, len(values), interval, p, best, beats)
    return found


def row_replicates(row: Row, column: Column) -> Replicates | None:
    """The mean over drawn seeds, of each resample of the images, in the column's unit.

    Seeds are drawn with replacement too, on their own for each row, so that the spread between trainings counts. With
    one seed it does not: then the interval is that of these weights on other images.

    Returns:
        (R,), NaN where a resample leaves the score undefined, such as the IoU of a rare class; None where a cell has
        none.
    """
    kept = [cell.replicates.get(column.score) for cell in row.cells]
    if not kept or any(each is None for each in kept):
        return None
    values = column.factor * np.stack([each for each in kept if each is not None])
    generator = np.random.default_rng([len(kept), *row.name.encode()])
    drawn = generator.integers(0, len(values), (len(values), values.shape[1]))
    chosen = values[drawn, np.arange(values.shape[1])]
    defined = np.count_nonzero(~np.isnan(chosen), axis=0)
    return np.asarray(np.where(defined > 0, np.nansum(chosen, axis=0) / np.maximum(defined, 1), np.nan))


def _interval(drawn: Replicates) -> tuple[float, float] | None:
    """Over the resamples in which the score is defined."""
    defined = drawn[~np.isnan(drawn)]
    return (float(np.percentile(defined, 2.5)), float(np.percentile(defined, 97.5))) if len(defined) else None


def _mean(row: Row, column: Column) -> float:
    values = [value for value in row.values(column).values() if not np.isnan(value)]
    return float(np.mean(values)) if values else float("nan")


def _compared(
    table: Table, column: Column, means: Mapping[str, float], replicates: Mapping[str, Replicates]
) -> dict[str, tuple[float | None, bool, bool]]:
    """By row: corrected p-value against the reference, whether among the best, whether better than the reference."""
    sign = 1 if column.better == "higher" else -1
    found: dict[str, tuple[float | None, bool, bool]] = {}
    for names in groups(table):
        names = [name for name in names if name in replicates and not math.isnan(means[name])]
        if len(names) < 2:
            continue
        first = max(names, key=lambda name: sign * means[name])
        to_best = against(first, names, replicates)
        reference = table.reference if table.reference in names else None
        to_reference = {} if reference is None else against(reference, names, replicates)
        for name in names:
            beats = reference is not None and sign * (means[name] - means[reference]) > 0
            found[name] = (
                to_reference.get(name),
                name == first or to_best[name] >= LEVEL,
                beats and to_reference[name] < LEVEL,
            )
    return found


def groups(table: Table) -> list[list[str]]:
    """Names of the rows that can be compared: all of their cells have scored the same images."""
    found: dict[str, list[str]] = {}
    for row in table.rows:
        images = {cell.images for cell in row.cells}
        if len(images) == 1 and (only := images.pop()) is not None:
            found.setdefault(only, []).append(row.name)
    return list(found.values())


def against(other: str, names: Sequence[str], replicates: Mapping[str, Replicates]) -> dict[str, float]:
    """Corrected p-values of the differences from one row: paired bootstrap over images that all of them have scored."""
    compared = [name for name in names if name != other]
    return dict(zip(compared, holm([p_value(replicates[name] - replicates[other]) for name in compared]), strict=True))


def p_value(differences: NDArray[np.floating]) -> float:
    """Two-sided: twice the smaller share of resampled differences on either side of 0; Efron and Tibshirani 1993.

    Where none lies beyond 0, the share is that of a normal distribution with their mean and deviation, if that is
    smaller: counts alone end at 2 / (R + 1), which the correction for 26 comparisons would lift above any level.

    Args:
        differences: (R,); resamples in which one is not defined are left out, and without any the result is 1.
    """
    defined = differences[~np.isnan(differences)]
    beyond = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
    share = min(1.0, 2 * (beyond + 1) / (len(defined) + 1))
    if beyond or len(defined) < LEAST or (deviation := float(defined.std())) == 0:
        return share
    return min(share, math.erfc(abs(float(defined.mean())) / deviation / math.sqrt(2)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected for so many comparisons: the k-th smallest times n - k, at least that of a smaller one; Holm 1979."""
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = highest
    return corrected
