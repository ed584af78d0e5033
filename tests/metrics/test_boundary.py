"""Contours and boundary regions against scipy, class by class."""

import numpy as np
import pytest
import scipy.ndimage

from litseg.metrics.boundary import boundary_counts, boundary_region, contour
from tests.metrics.cases import CLASSES, pair


def with_void(seed: int, kind: str = "uint8") -> tuple[np.ndarray, np.ndarray]:
    prediction, target = pair(seed)
    void = target == 255
    return tuple(each.masked_fill(void, CLASSES).numpy().astype(kind) for each in (target, prediction))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("seed", range(4))
def test_as_erosion_of_each_class(seed: int, kind: str) -> None:
    for labels in with_void(seed, kind):
        edge, wide = contour(labels, CLASSES), boundary_region(labels, CLASSES, 3)
        for index in range(CLASSES):
            mask = labels == index
            assert np.array_equal(edge & mask, mask ^ scipy.ndimage.binary_erosion(mask))
            eroded = scipy.ndimage.binary_erosion(mask, np.ones((7, 7)))
            assert np.array_equal(wide & mask, mask ^ eroded)
        assert not (edge | wide)[labels == CLASSES].any()


def test_a_class_ends_at_the_edge_of_the_image_and_at_void() -> None:
    labels = np.zeros((5, 7), np.uint8)
    labels[2, 3] = 1  # void
    assert contour(labels, void=1).astype(int).tolist() == [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 0, 0, 1, 0, 0, 1],
        [1, 0, 1, 0, 1, 0, 1],
        [1, 0, 0, 1, 0, 0, 1],
        [1, 1, 1, 1, 1, 1, 1],
    ]


def test_counts_by_hand() -> None:
    truth = np.zeros((9, 9), np.uint8)
    said = truth.copy()
    truth[2:7, 2:7], said[2:7, 3:8] = 1, 1
    # rings of 16 pixels, one column apart: they share 4 pixels of the upper side and 4 of the lower
    assert boundary_counts(truth, said, classes=2, width=1)[1].tolist() == [8, 24]
    assert boundary_counts(truth, truth, classes=2, width=1)[1].tolist() == [16, 16]
