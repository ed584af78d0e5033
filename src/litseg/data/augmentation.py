"""albumentations, seeded by (seed, epoch, index) so that a sample does not depend on workers or their number."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from litseg.data.reader import Array


class Augmentation:
    """A list of albumentations transforms applied to an image and its mask.

    albumentations 2.0.8 draws the same augmentations in every DataLoader worker, and again in every epoch, since each
    worker gets a copy of one generator. Here each sample sets the generators first. All transforms share one generator:
    `Compose.set_random_seed` gives each its own copy of the same seed, and then two flips of p=0.5 always go together.

    Args:
        transforms: albumentations transforms; an empty list changes nothing. Geometric ones must fill masks with 255.
        seed: the run's seed.
    """

    def __init__(self, transforms: Sequence[Any], seed: int) -> None:
        import albumentations  # about a second: only where data are really made

        self.compose = albumentations.Compose(list(transforms)) if transforms else None
        self.seed = seed

    def __call__(self, image: Array, mask: Array, epoch: int, index: int) -> tuple[Array, Array]:
        """The augmented (H, W, 3) image and (H, W) or (H, W, C) mask of sample `index` in `epoch`."""
        if self.compose is None:
            return image, mask
        numpy_seed, python_seed = np.random.SeedSequence([self.seed, epoch, index]).generate_state(2)
        self.compose.set_random_state(np.random.default_rng(numpy_seed), random.Random(int(python_seed)))
        result = self.compose(image=image, mask=mask)
        return result["image"], result["mask"]
