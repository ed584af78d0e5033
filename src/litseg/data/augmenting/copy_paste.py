"""Pastes objects of rare classes from another training image into this one."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from litseg.data.augmenting.rare_classes import images_of_classes
from litseg.data.reader import Array

Read = Callable[[int], tuple[Array, Array]]


class CopyPaste:
    """Copies objects, the connected areas of one class, with their pixels and labels, over an image and its mask.

    For every object a class is drawn among the chosen ones, then an image that holds it, then one of its objects, then
    where it goes. Only what it covers is changed: void elsewhere stays void.

    Source: Ghiasi et al., Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation, CVPR 2021;
    there with instances and random scales.

    Args:
        pixels: int64 (n, C + 1) pixels of each class in each sample, last void; see `SplitScan.pixels`.
        p: share of the samples that get objects.
        objects: how many, 1 to this number, every number alike.
        classes: labels of the classes to paste; None: those with less than `max_share` of the valid pixels.
        max_share: see `classes`.
        min_pixels: smaller objects are not pasted.
        move: True puts objects anywhere; False leaves them where they were in their own image.

    Raises:
        ValueError: an argument out of range, or no class to paste.
    """

    def __init__(
        self,
        pixels: NDArray[np.int64],
        p: float = 0.5,
        objects: int = 3,
        classes: Sequence[int] | None = None,
        max_share: float = 0.05,
        min_pixels: int = 16,
        move: bool = True,
    ) -> None:
        if not 0 <= p <= 1 or objects < 1 or min_pixels < 1:
            raise ValueError(
                "copy_paste: expected p from 0 to 1, objects and min_pixels of at least 1, "
                f"got p={p}, objects={objects}, min_pixels={min_pixels}"
            )
        self.p, self.objects, self.min_pixels, self.move = p, objects, min_pixels, move
        self.images = images_of_classes(pixels, min_pixels)
        counts = pixels[:, :-1].sum(axis=0)
        wanted = np.flatnonzero(counts < max_share * counts.sum()) if classes is None else np.asarray(classes)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(counts):
            raise ValueError(f"copy_paste.classes: expected labels of 0 to {len(counts) - 1}, got {classes}")
        self.classes = [int(label) for label in wanted if counts[label] > 0]
        if not self.classes:
            what = f"a share below {max_share}" if classes is None else f"a pixel among {list(classes)}"
            raise ValueError(f"copy_paste: no class has {what}; set copy_paste.classes or copy_paste.max_share")

    def __call__(self, image: Array, mask: Array, rng: np.random.Generator, read: Read) -> tuple[Array, Array]:
        """The image (H, W, C) and mask (H, W) or (H, W, classes) with objects on them; the arguments stay as they are.

        Args:
            image: of the sample.
            mask: of the sample.
            rng: of this sample and epoch.
            read: gives the image and mask of another sample by its index.
        """
        if rng.random() >= self.p:
            return image, mask
        image, mask = image.copy(), mask.copy()
        for _ in range(int(rng.integers(1, self.objects + 1))):
            label = int(rng.choice(self.classes))
            other_image, other_mask = read(int(rng.choice(self.images[label])))
            found = _object(
                other_mask == label if mask.ndim == 2 else other_mask[..., label] == 1, self.min_pixels, rng
            )
            if found is not None:
                rows, columns = found
                at_rows, at_columns = self._place(rows, columns, mask.shape, rng)
                inside = (at_rows < mask.shape[0]) & (at_columns < mask.shape[1])  # of images of another size
                target, origin = (at_rows[inside], at_columns[inside]), (rows[inside], columns[inside])
                image[target], mask[target] = other_image[origin], other_mask[origin]
        return image, mask

    def _place(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, ...], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the pixels of an object go; one that is larger than the image starts at its edge."""
        if not self.move:
            return rows, columns
        free = [max(0, size - int(np.ptp(at)) - 1) for size, at in zip(shape, (rows, columns), strict=False)]
        top, left = (int(rng.integers(room + 1)) for room in free)
        return rows - rows.min() + top, columns - columns.min() + left


def _object(where: NDArray[np.bool_], min_pixels: int, rng: np.random.Generator) -> tuple[Array, Array] | None:
    """Rows and columns of one connected area (8 neighbours) of at least `min_pixels`, every one alike; None: none."""
    count, components, statistics, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8), connectivity=8)
    large = [number for number in range(1, count) if statistics[number, cv2.CC_STAT_AREA] >= min_pixels]
    if not large:
        return None
    rows, columns = np.nonzero(components == int(rng.choice(large)))
    return rows, columns
