"""Distances between the contours of truth and prediction, and what is made of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from litseg.metrics.boundary import Labels, contour


class SurfaceDistances(NamedTuple):
    """Distances in pixels between the contours of one class; infinite where the other side has no contour."""

    from_prediction: NDArray[np.float64]
    """Of each pixel of the prediction's contour to the nearest one of the truth."""
    from_truth: NDArray[np.float64]


def surface_distances(truth: Labels, prediction: Labels, classes: int) -> list[SurfaceDistances]:
    """Exact Euclidean distances of each class.

    Args:
        truth: (H, W) uint8 or uint16 labels below `classes`; `classes` itself is void.
        prediction: alike, void where the truth is.
        classes: number of classes.
    """
    pairs = zip(_points_by_class(truth, classes), _points_by_class(prediction, classes), strict=True)
    return [SurfaceDistances(_nearest(said, true), _nearest(true, said)) for true, said in pairs]


def _points_by_class(labels: Labels, classes: int) -> list[NDArray[np.int64]]:
    rows, columns = np.nonzero(contour(labels, classes))
    owner = labels[rows, columns]
    order = np.argsort(owner, kind="stable")
    ends = np.cumsum(np.bincount(owner, minlength=classes))
    return np.split(np.stack([rows, columns], 1)[order], ends[:-1])


def _nearest(points: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    if not len(points) or not len(others):
        return np.full(len(points), np.inf)
    # the points are pixels, spread evenly: an unbalanced tree is built sooner and searched as fast
    tree = KDTree(others, leafsize=32, balanced_tree=False, compact_nodes=False)
    distances: NDArray[np.float64] = tree.query(points)[0]
    return distances


def matches(distances: SurfaceDistances, tolerance: float) -> tuple[int, int, int, int]:
    """Contour pixels of the prediction within `tolerance` pixels of the truth's, all of them; of the truth, all."""
    said, true = distances
    return int((said <= tolerance).sum()), len(said), int((true <= tolerance).sum()), len(true)


def hausdorff95(distances: SurfaceDistances) -> float:
    """The larger of both directions' 95th percentiles (linear interpolation); NaN where a side has no contour.

    Huttenlocher et al. 1993 with the percentile of MONAI and of DeepMind's surface-distance; medpy takes one percentile
    of both directions together, which is smaller.
    """
    if not len(distances.from_prediction) or not len(distances.from_truth):
        return float("nan")
    return float(max(np.percentile(each, 95) for each in distances))


def average_symmetric_distance(distances: SurfaceDistances) -> float:
    """Mean of the distances of both directions together (Heimann et al. 2009); NaN where a side has no contour."""
    if not len(distances.from_prediction) or not len(distances.from_truth):
        return float("nan")
    return float(np.concatenate(distances).mean())
