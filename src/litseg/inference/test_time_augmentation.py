"""Test-time augmentation: the mean of the probabilities that an image and changed views of it give."""

from collections.abc import Sequence
from typing import Final

import torch.nn.functional as F
from torch import Tensor

from litseg.inference.whole_image import Predict

FLIPS: Final = {"hflip": (-1,), "vflip": (-2,), "rot180": (-2, -1)}
View = str | float
"""A key of `FLIPS`, or a scale such as 0.75."""


def averaged_over_views(predict: Predict, views: Sequence[View]) -> Predict:
    """What predicts the image as it is and each view of it, and averages the probabilities.

    Each view is the whole image and nothing else: a scaled one is not padded or cropped to the size of the first, so
    every pixel's mean is over as many values.

    Args:
        predict: see `predictor`.
        views: such as ["hflip", 0.75, 1.25]: three views, four passes.

    Raises:
        ValueError: an unknown view, one twice, or a scale that is not between 0.1 and 10.
    """
    for view in views:
        if view not in FLIPS and (not isinstance(view, int | float) or not 0.1 <= view <= 10 or view == 1):
            raise ValueError(f"tta: expected {', '.join(FLIPS)} or scales from 0.1 to 10 but 1, got {view!r}")
    if len(set(views)) < len(views):
        raise ValueError(f"tta: expected each view once, got {list(views)}")
    if not views:
        return predict

    def mean(images: Tensor) -> Tensor:
        total = predict(images)
        for view in views:
            total = total + _seen(predict, images.to(total.device), view)
        return total / (1 + len(views))

    return mean


def _seen(predict: Predict, images: Tensor, view: View) -> Tensor:
    """The probabilities of a view, turned back."""
    images = images.float()  # 8 bits would round what is resized, and 16 bits torch cannot flip
    if isinstance(view, str):
        return predict(images.flip(FLIPS[view])).flip(FLIPS[view])
    size = images.shape[-2:]
    # antialias: what becomes smaller is smoothed first
    scaled = [max(1, round(side * view)) for side in size]
    found = predict(F.interpolate(images, scaled, mode="bilinear", antialias=view < 1))
    return F.interpolate(found, size, mode="bilinear", antialias=view > 1)
