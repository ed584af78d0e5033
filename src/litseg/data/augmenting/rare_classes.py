"""Draws training samples by class: a class, then an image that holds it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Draw = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Indices of an epoch's samples, and the class that each was drawn for, -1 for none; both (n,)."""


class RareClasses:
    """An epoch whose samples are drawn by class.

    A class is drawn, then an image among those that hold it, every one alike, and the crop will hold the class too
    (`litseg.data.augmenting.crops.ClassCrop`). Images come with replacement: some twice in an epoch, some not at all.

    Source: Hoyer, Dai, Van Gool, DAFormer, CVPR 2022, section 3.3: P(c) proportional to exp((1 - f_c) / temperature),
    f_c the class's share of the pixels.

    Args:
        pixels: int64 (n, C + 1) pixels of each class in each sample, last void; see `SplitScan.pixels`.
        share: of an epoch's samples that are drawn by class; the others as without this, each image once at most.
        temperature: a small one prefers rare classes (DAFormer: 0.01); None: all classes alike.
        min_pixels: an image holds a class from so many pixels on, where any image has so many; else from one pixel on.

    Raises:
        ValueError: a share, temperature or min_pixels out of range, or no pixel of any class.
    """

    def __init__(
        self, pixels: NDArray[np.int64], share: float = 1.0, temperature: float | None = None, min_pixels: int = 1
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"sampling.share: expected above 0, at most 1, got {share}")
        if min_pixels < 1:
            raise ValueError(f"sampling.min_pixels: expected at least 1, got {min_pixels}")
        self.length, self.share = len(pixels), share
        self.images = images_of_classes(pixels, min_pixels)
        present = np.array([len(images) > 0 for images in self.images])
        if not present.any():
            raise ValueError("sampling: no training sample holds any class")
        counts = pixels[:, :-1].sum(axis=0)
        self.probabilities = _probabilities(counts / counts.sum(), present, temperature)

    def __call__(self, rng: np.random.Generator) -> Draw:
        """The samples of one epoch, as many as there are images, in the order of training."""
        indices = rng.permutation(self.length)
        classes = np.where(rng.random(self.length) < self.share, 0, -1)
        chosen = np.flatnonzero(classes == 0)
        classes[chosen] = rng.choice(len(self.probabilities), len(chosen), p=self.probabilities)
        for at in chosen:
            indices[at] = rng.choice(self.images[classes[at]])
        return indices, classes


def images_of_classes(pixels: NDArray[np.int64], min_pixels: int = 1) -> Sequence[NDArray[np.int64]]:
    """For each class the images that hold at least `min_pixels` of it, or if there are none, any.

    Args:
        pixels: int64 (n, C + 1), last void.
        min_pixels: see above.
    """
    counts = pixels[:, :-1].T
    return [np.flatnonzero(each >= (min_pixels if each.max() >= min_pixels else 1)) for each in counts]


def _probabilities(
    shares: NDArray[np.float64], present: NDArray[np.bool_], temperature: float | None
) -> NDArray[np.float64]:
    if temperature is None:
        return np.asarray(present / present.sum())
    if temperature <= 0:
        raise ValueError(f"sampling.temperature: expected above 0 or null, got {temperature}")
    exponents = np.where(present, (1 - shares) / temperature, -np.inf)
    weights = np.exp(exponents - exponents.max())
    return np.asarray(weights / weights.sum())
