"""The confusion matrix as a table: shares of the truth and of the prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST_CLASSES = 30
"""Of a table that one can still read; the rarest beyond are joined."""


@dataclass(frozen=True)
class Cell:
    """Pixels of one true class predicted as another; shares 0 to 1, None where the class has no pixel."""

    pixels: int
    of_truth: float | None
    of_prediction: float | None
    right: bool


@dataclass(frozen=True)
class ConfusionTable:
    """A table. `title`: empty, or in multilabel the class. `confusions`: the largest shares off the diagonal."""

    title: str
    names: list[str]
    rows: list[list[Cell]]
    confusions: list[tuple[str, str, float]]


def confusion_tables(matrix: Sequence[Any], names: Sequence[str]) -> list[ConfusionTable]:
    """One table; in multilabel, where the matrix is (C, 2, 2), one a class.

    Args:
        matrix: pixels (C, C), rows truth.
        names: by class.

    Raises:
        ValueError: the matrix is not square, or there are not as many names.
    """
    if len(names) != len(matrix):
        raise ValueError(f"expected a matrix of {len(names)} classes, got {len(matrix)}")
    if matrix and isinstance(matrix[0][0], list):
        pairs = zip(matrix, names, strict=True)
        return [_table(_whole(each), [f"not {name}", name], name) for each, name in pairs]
    return [_table(*_joined(_whole(matrix), list(names)), "")] if matrix else []


def _whole(matrix: Sequence[Sequence[Any]]) -> list[list[int]]:
    if any(len(row) != len(matrix) for row in matrix):
        raise ValueError("expected a square matrix")
    return [[int(str(value)) for value in row] for row in matrix]


def _joined(matrix: list[list[int]], names: list[str]) -> tuple[list[list[int]], list[str]]:
    """The same with its rarest classes as one, where there are too many to read."""
    if len(names) <= MOST_CLASSES:
        return matrix, names
    by_size = sorted(range(len(names)), key=lambda label: -sum(matrix[label]))
    kept = sorted(by_size[: MOST_CLASSES - 1])
    groups = [[label] for label in kept] + [sorted(by_size[MOST_CLASSES - 1 :])]
    joined = [[sum(matrix[i][j] for i in row for j in column) for column in groups] for row in groups]
    return joined, [names[label] for label in kept] + [f"{len(groups[-1])} others"]


def _table(matrix: list[list[int]], names: list[str], title: str) -> ConfusionTable:
    truth = [sum(row) for row in matrix]
    predicted = [sum(column) for column in zip(*matrix, strict=True)]
    rows = [
        [Cell(pixels, _share(pixels, truth[i]), _share(pixels, predicted[j]), i == j) for j, pixels in enumerate(row)]
        for i, row in enumerate(matrix)
    ]
    wrong = [
        (names[i], names[j], cell.of_truth)
        for i, row in enumerate(rows)
        for j, cell in enumerate(row)
        if cell.of_truth and not cell.right
    ]
    return ConfusionTable(title, names, rows, sorted(wrong, key=lambda each: -each[2])[:5])


def _share(pixels: int, total: int) -> float | None:
    return pixels / total if total else None
