"""albumentations, seeded by (seed, epoch, index) so that a sample does not depend on workers or their number."""

import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import cv2
import numpy as np

from litseg.data.reader import Array
from litseg.labels import IGNORE_INDEX

KEY = "augmentation.train"
WITHOUT_FILL = {"GridElasticDeform"}  # fills masks with 0 and takes no fill_mask (albumentations 2.0.8)


class Augmentation:
    """A list of albumentations transforms applied to an image and its mask.

    albumentations 2.0.8 draws the same augmentations in every DataLoader worker, and again in every epoch, since each
    worker gets a copy of one generator. Here each sample sets the generators first. All transforms share one generator:
    `Compose.set_random_seed` gives each its own copy of the same seed, and then two flips of p=0.5 always go together.
    A multilabel mask goes through it channel by channel: several transforms fill only its first channel otherwise.

    Args:
        transforms: albumentations transforms; an empty list changes nothing.
        seed: the run's seed.
        photometric_channels: the channels that photometric transforms may change, see `OnChannels`; geometric ones
            change all. The transforms keep the order of the list.

    Raises:
        ValueError: a transform would fill or interpolate masks with something else than labels and void.
    """

    def __init__(self, transforms: Sequence[Any], seed: int, photometric_channels: Sequence[int] | None = None) -> None:
        self.seed = seed
        self.compose: Any = None
        if not transforms:
            return
        import albumentations  # about a second: only where data are really made

        for key, transform in _leaves(transforms, KEY):
            _refuse_new_labels(key, transform)
        self.compose = albumentations.Compose(_on_channels(deepcopy(list(transforms)), photometric_channels))

    def __call__(
        self, image: Array, mask: Array, epoch: int, index: int, repeat: int = 0, held_class: int = -1
    ) -> tuple[Array, Array]:
        """The augmented image and mask of a sample.

        Args:
            image: (H, W, C), of any type.
            mask: (H, W), in multilabel (H, W, classes).
            epoch: draws differ between epochs,
            index: between samples,
            repeat: and between the uses of one sample in one epoch.
            held_class: the class that a `litseg.data.augmenting.crops.ClassCrop` must hold; -1: none.
        """
        if self.compose is None:
            return image, mask
        numpy_seed, python_seed = np.random.SeedSequence([self.seed, epoch, index, repeat]).generate_state(2)
        self.compose.set_random_state(np.random.default_rng(numpy_seed), random.Random(int(python_seed)))
        if mask.ndim == 2:
            result = self.compose(image=image, mask=mask, held_class=held_class)
            return result["image"], result["mask"]
        result = self.compose(image=image, masks=np.moveaxis(mask, -1, 0), held_class=held_class)
        return result["image"], np.moveaxis(result["masks"], 0, -1)


def _leaves(transforms: Sequence[Any], key: str) -> Iterator[tuple[str, Any]]:
    """Every single transform, in whatever compositions, with its config key."""
    for number, transform in enumerate(transforms):
        inner = getattr(transform, "transforms", None)
        if inner is None:
            yield f"{key}.{number}", transform
        else:
            yield from _leaves(inner, f"{key}.{number}.transforms")


def _refuse_new_labels(key: str, transform: Any) -> None:
    name, advice = type(transform).__name__, f"expected {IGNORE_INDEX}, void: labels are not made up"
    pads = getattr(transform, "border_mode", cv2.BORDER_CONSTANT) == cv2.BORDER_CONSTANT
    pads &= bool(getattr(transform, "pad_if_needed", True))
    fill = getattr(transform, "fill_mask", None)  # None: it leaves masks alone
    if pads and fill is not None and set(np.ravel(fill)) != {IGNORE_INDEX}:
        raise ValueError(f"{key}.fill_mask: {name} would fill masks with {fill}, {advice}")
    if name in WITHOUT_FILL:
        raise ValueError(f"{key}: {name} fills masks with 0 and cannot do otherwise; take another transform")
    interpolation = getattr(transform, "mask_interpolation", cv2.INTER_NEAREST)
    if interpolation not in (cv2.INTER_NEAREST, cv2.INTER_NEAREST_EXACT):
        raise ValueError(
            f"{key}.mask_interpolation: expected 0 (nearest), got {interpolation}: {name} would mix labels"
        )


def _on_channels(transforms: list[Any], channels: Sequence[int] | None) -> list[Any]:
    """The same list with every photometric transform, in compositions too, restricted to the channels."""
    from albumentations import ImageOnlyTransform

    from litseg.data.augmenting.photometric import OnChannels

    for number, transform in enumerate(transforms):
        if isinstance(transform, ImageOnlyTransform):
            transforms[number] = OnChannels(transform, channels)
        elif hasattr(transform, "transforms"):
            transform.transforms = _on_channels(list(transform.transforms), channels)
    return transforms
