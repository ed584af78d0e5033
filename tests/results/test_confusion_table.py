import numpy as np
import pytest

from litseg.results.confusion_table import MOST_CLASSES, confusion_tables


def test_rows_are_shares_of_the_truth_and_columns_of_the_prediction() -> None:
    (table,) = confusion_tables([[6, 2], [0, 2]], ["a", "b"])
    assert [[cell.of_truth for cell in row] for row in table.rows] == [[0.75, 0.25], [0.0, 1.0]]
    assert [[cell.of_prediction for cell in row] for row in table.rows] == [[1.0, 0.5], [0.0, 0.5]]
    assert table.confusions == [("a", "b", 0.25)]


def test_a_class_without_pixels_has_no_share() -> None:
    (table,) = confusion_tables([[4, 0], [0, 0]], ["a", "b"])
    assert table.rows[1][1].of_truth is None
    assert table.rows[1][1].of_prediction is None


def test_multilabel_has_a_table_a_class() -> None:
    tables = confusion_tables([[[5, 1], [2, 2]], [[9, 0], [0, 1]]], ["a", "b"])
    assert [(table.title, table.names) for table in tables] == [("a", ["not a", "a"]), ("b", ["not b", "b"])]
    assert tables[0].rows[1][1].of_truth == 0.5


def test_of_many_classes_the_rarest_are_joined_and_no_pixel_is_lost() -> None:
    matrix = np.random.default_rng(0).integers(0, 9, (50, 50)) + np.diag(np.arange(50) * 100)
    (table,) = confusion_tables(matrix.tolist(), [str(label) for label in range(50)])
    assert table.names[-1] == f"{50 - MOST_CLASSES + 1} others"
    assert table.names[:2] == ["21", "22"]
    assert sum(cell.pixels for row in table.rows for cell in row) == matrix.sum()


@pytest.mark.parametrize("matrix", [[[1, 2]], [[1, 2], [3]], [[1]], [[1, "x"], [1, 1]]])
def test_what_is_no_matrix_is_refused(matrix: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"expected|invalid"):
        confusion_tables(matrix, ["a", "b"])
