"""Epochs of several passes over few images."""

import numpy as np
from numpy.typing import NDArray

from litseg.data.augmenting.rare_classes import Draw


class Repeated:
    """An epoch that has every training image several times, in a new order each time.

    For sets of few images: an epoch of one batch would begin, end and validate at every step. Every use of an image is
    augmented on its own.

    Args:
        pixels: int64 (n, C + 1) pixels of each class in each sample, of which the number of samples is taken.
        times: how often.

    Raises:
        ValueError: fewer times than 1.
    """

    def __init__(self, pixels: NDArray[np.int64], times: int) -> None:
        if times < 1:
            raise ValueError(f"sampling.draw.times: expected at least 1, got {times}")
        self.samples, self.times = len(pixels), times
        self.length = self.samples * times

    def __call__(self, rng: np.random.Generator) -> Draw:
        """The samples of one epoch in the order of training."""
        indices = np.concatenate([rng.permutation(self.samples) for _ in range(self.times)])
        return indices, np.full(self.length, -1)
