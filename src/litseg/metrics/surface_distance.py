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
    own = [np.where(contour(labels, classes), labels, labels.dtype.type(classes)) for labels in (truth, prediction)]
    pairs = zip(_contours(own[0], own[1], classes), _contours(own[1], own[0], classes), strict=True)
    return [SurfaceDistances(_nearest(said, true), _nearest(true, said)) for true, said in pairs]


class _Contour(NamedTuple):
    """Of one class, on one side. Half of the pixels or more coincide with the other side or touch it: no search."""

    points: NDArray[np.int64]
    """Rows and columns (n, 2)."""
    near: NDArray[np.float64]
    """Of each 0 where the other side's contour is too, 1 where it is beside it, else infinity."""


def _contours(own: Labels, other: Labels, classes: int) -> list[_Contour]:
    """A contour a class of a map (H, W) that has its label on contours, and `classes` elsewhere."""
    place = np.flatnonzero(own != classes)
    owner = own.ravel()[place]
    order = np.argsort(owner, kind="stable")
    place, ends = place[order], np.cumsum(np.bincount(owner, minlength=classes))[:-1]
    points = np.stack(np.divmod(place, own.shape[1]), 1)
    near = np.where(_beside(own, other).ravel()[place], 1.0, np.inf)
    near[(own == other).ravel()[place]] = 0
    return [_Contour(*each) for each in zip(np.split(points, ends), np.split(near, ends), strict=True)]


def _beside(own: Labels, other: Labels) -> NDArray[np.bool_]:
    """Whether one of a pixel's 4 neighbours has the same label in the other map."""
    found = np.zeros(own.shape, bool)
    found[1:] |= own[1:] == other[:-1]
    found[:-1] |= own[:-1] == other[1:]
    found[:, 1:] |= own[:, 1:] == other[:, :-1]
    found[:, :-1] |= own[:, :-1] == other[:, 1:]
    return found


def _nearest(one: _Contour, other: _Contour) -> NDArray[np.float64]:
    distances, far = one.near, np.isinf(one.near)
    if len(other.points) and far.any():
        # the points are pixels, spread evenly: an unbalanced tree is built sooner and searched as fast
        tree = KDTree(other.points, leafsize=32, balanced_tree=False, compact_nodes=False)
        distances[far] = tree.query(one.points[far])[0]
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
