"""Distances against all pairs of points, and the cases without any."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from litseg.metrics.boundary import contour
from litseg.metrics.surface_distance import (
    SurfaceDistances,
    average_symmetric_distance,
    hausdorff95,
    matches,
    surface_distances,
)
from tests.metrics.cases import CLASSES
from tests.metrics.test_boundary import with_void


@pytest.mark.parametrize("seed", range(4))
def test_as_all_pairs_of_points(seed: int) -> None:
    truth, said = with_void(seed)
    for index, found in enumerate(surface_distances(truth, said, CLASSES)):
        points = [np.argwhere(contour(labels, CLASSES) & (labels == index)) for labels in (truth, said)]
        if len(points[0]) and len(points[1]):
            pairs = cdist(*points)
            assert np.array_equal(found.from_truth, pairs.min(1))
            assert np.array_equal(found.from_prediction, pairs.min(0))
        else:
            assert [len(found.from_truth), len(found.from_prediction)] == [len(each) for each in points]
            assert np.isinf(found.from_truth).all()
            assert np.isinf(found.from_prediction).all()


def test_two_points_by_hand() -> None:
    truth, said = np.zeros((2, 8, 8), np.uint8)
    truth[1, 1] = said[4, 5] = 1
    found = surface_distances(truth, said, 2)[1]
    assert hausdorff95(found) == average_symmetric_distance(found) == 5
    assert matches(found, 5) == (1, 1, 1, 1)
    assert matches(found, 4.9) == (0, 1, 0, 1)


def test_percentile_of_each_direction() -> None:
    found = SurfaceDistances(np.arange(101.0), np.zeros(1000))
    assert hausdorff95(found) == 95
    assert average_symmetric_distance(found) == pytest.approx(5050 / 1101)


def test_no_contour_on_one_side_is_no_distance() -> None:
    found = SurfaceDistances(np.full(3, np.inf), np.zeros(0))
    assert math.isnan(hausdorff95(found))
    assert math.isnan(average_symmetric_distance(found))
    assert matches(found, 1e9) == (0, 3, 0, 0)
