"""A random crop that holds the class its sample was drawn for, and that no class fills alone."""

from typing import Any

import albumentations
import numpy as np

from litseg.data.reader import Array
from litseg.labels import IGNORE_INDEX

DRAWS = 10


class ClassCrop(albumentations.RandomCrop):  # type: ignore[misc]  # albumentations has no types
    """A random crop; smaller images are padded, with void in the mask.

    Where `sampling=rare_classes` drew the sample for a class, the window is drawn around one of its pixels, every pixel
    alike. Where the class is gone (moved out by a transform before this one) the window is any.

    Source: `cat_max_ratio` as in mmsegmentation's RandomCrop: a window is drawn again, ten times at most, until it has
    at least two classes, each with less than that share of its valid pixels; the last one is taken as it is.

    Args:
        height: of the crop in pixels.
        width: of the crop in pixels.
        cat_max_ratio: largest share of one class, above 0; 1: any. Not in multilabel, where classes overlap.
        fill: what padding holds in the image.

    Raises:
        ValueError: a cat_max_ratio out of range, or in multilabel.
    """

    class InitSchema(albumentations.RandomCrop.InitSchema):  # type: ignore[misc]  # what albumentations checks
        """The arguments and their types."""

        cat_max_ratio: float

    def __init__(
        self,
        height: int,
        width: int,
        cat_max_ratio: float = 1.0,
        fill: float = 0.0,
        pad_if_needed: bool = True,
        pad_position: str = "center",
        border_mode: int = 0,
        fill_mask: float = IGNORE_INDEX,
        p: float = 1.0,
    ) -> None:
        super().__init__(height, width, pad_if_needed, pad_position, border_mode, fill, fill_mask, p)
        if not 0 < cat_max_ratio <= 1:
            raise ValueError(f"cat_max_ratio: expected a share above 0, at most 1, got {cat_max_ratio}")
        self.cat_max_ratio = cat_max_ratio

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """The window as albumentations wants it: crop_coords (left, top, right, bottom) after padding."""
        found: dict[str, Any] = super().get_params_dependent_on_data(params, data)
        labels, held = _labels_and_held(data)
        if self.cat_max_ratio < 1 and labels.ndim == 3:
            raise ValueError("augmentation: cat_max_ratio is for classes that exclude each other, not for multilabel")
        if (pads := found["pad_params"]) is not None:
            sides = ((pads["pad_top"], pads["pad_bottom"]), (pads["pad_left"], pads["pad_right"]))
            held = np.pad(held, sides)
            labels = np.pad(labels, sides, constant_values=IGNORE_INDEX) if labels.ndim == 2 else labels
        pixels = np.flatnonzero(held)
        window = self._window(pixels, held.shape)
        for _ in range(DRAWS if self.cat_max_ratio < 1 else 0):
            if self._is_mixed(labels[window[1] : window[3], window[0] : window[2]]):
                break
            window = self._window(pixels, held.shape)
        return found | {"crop_coords": window}

    def _window(self, pixels: Array, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of a window in (H, W); it holds one of `pixels` where there are any."""
        starts = [(0, shape[0] - self.height), (0, shape[1] - self.width)]
        if len(pixels):
            chosen = np.unravel_index(pixels[self.random_generator.integers(len(pixels))], shape)
            starts = [
                (max(low, int(at) - length + 1), min(high, int(at)))
                for (low, high), at, length in zip(starts, chosen, (self.height, self.width), strict=True)
            ]
        top, left = (int(self.random_generator.integers(low, high + 1)) for low, high in starts)
        return left, top, left + self.width, top + self.height

    def _is_mixed(self, labels: Array) -> bool:
        counts = np.bincount(labels.ravel(), minlength=256)[:IGNORE_INDEX]
        return bool((counts > 0).sum() > 1 and counts.max() < self.cat_max_ratio * counts.sum())


def _labels_and_held(data: dict[str, Any]) -> tuple[Array, Array]:
    """The mask, (H, W) or in multilabel (C, H, W), and where it shows the class to hold, bool (H, W)."""
    held_class = data.get("held_class", -1)
    if "mask" in data:
        return data["mask"], data["mask"] == held_class
    masks = data["masks"]
    return masks, masks[held_class] == 1 if held_class >= 0 else np.zeros(masks.shape[1:], dtype=bool)
