"""Boundary pixels of a label map, for all classes at once.

What is outside of the image, and void, belongs to no class: a class ends there, in truth and prediction alike, as in
the reference code of Boundary IoU and in MONAI.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer]


def contour(labels: Labels, void: int) -> NDArray[np.bool_]:
    """Pixels of a class that have one of their 4 neighbours outside of it.

    Args:
        labels: (H, W) uint8 or uint16.
        void: the label of void pixels, which are no contour.

    Returns:
        (H, W); the class of a pixel is its label.
    """
    return _near_other_labels(labels, void, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))


def boundary_region(labels: Labels, void: int, width: int) -> NDArray[np.bool_]:
    """Pixels of a class at most `width` pixels (the larger of rows and columns) from what is outside of it."""
    return _near_other_labels(labels, void, np.ones((2 * width + 1, 2 * width + 1), np.uint8))


def _near_other_labels(labels: Labels, void: int, window: NDArray[Any]) -> NDArray[np.bool_]:
    # largest and smallest label in the window differ: one pass for all classes instead of an erosion for each
    border = {"borderType": cv2.BORDER_CONSTANT, "borderValue": float(void)}
    largest, smallest = cv2.dilate(labels, window, **border), cv2.erode(labels, window, **border)  # type: ignore[call-overload]
    near: NDArray[np.bool_] = (largest != smallest) & (labels != void)
    return near


def boundary_counts(truth: Labels, prediction: Labels, classes: int, width: int) -> NDArray[np.int64]:
    """Intersection and union of the boundary regions of each class.

    Cheng et al. 2021, Boundary IoU (arXiv 2103.16562): the IoU of those pixels of truth and of prediction that are at
    most `width` from the boundary of their own mask.

    Args:
        truth: (H, W) uint8 or uint16 labels below `classes`; `classes` itself is void.
        prediction: alike, void where the truth is.
        classes: number of classes C.
        width: in pixels.

    Returns:
        (C, 2): intersection, union.
    """
    ours, theirs = boundary_region(truth, classes, width), boundary_region(prediction, classes, width)

    def count(labels: Labels) -> NDArray[np.int64]:
        return np.bincount(labels, minlength=classes)

    both = count(truth[ours & theirs & (truth == prediction)])
    return np.stack([both, count(truth[ours]) + count(prediction[theirs]) - both], 1)
