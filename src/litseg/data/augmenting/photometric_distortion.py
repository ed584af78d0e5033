"""Brightness, contrast, saturation and hue, in the order in which mmsegmentation changes them."""

from typing import Any

import albumentations
import cv2
import numpy as np

from litseg.data.reader import Array

HUES = 180  # of OpenCV's HSV in 8 bits


class PhotometricDistortion(albumentations.ImageOnlyTransform):  # type: ignore[misc]  # albumentations has no types
    """Brightness, [contrast,] saturation, hue [, contrast]: each with a chance of one half, contrast first or last.

    albumentations' own transforms shift saturation, or blend it with grey, where this one scales it in HSV. Every step
    ends in 8 bits, so that what is clipped stays clipped.

    Source: mmsegmentation, PhotoMetricDistortion in mmseg/datasets/transforms.

    Args:
        brightness: largest shift, of 255.
        contrast: range of the factor.
        saturation: range of the factor.
        hue: largest shift, in OpenCV's 180 steps of the circle.
        p: share of the images that are changed at all.
    """

    class InitSchema(albumentations.ImageOnlyTransform.InitSchema):  # type: ignore[misc]  # what albumentations checks
        """The arguments and their types."""

        brightness: float
        contrast: tuple[float, float]
        saturation: tuple[float, float]
        hue: int

    def __init__(
        self,
        brightness: float = 32,
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: int = 18,
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue

    def get_params(self) -> dict[str, Any]:
        """Shifts and factors of an image; 0 and 1 where a step is left out."""
        random = self.py_random
        drawn = [random.random() < 0.5 for _ in range(5)]
        return {
            "shift": random.uniform(-self.brightness, self.brightness) if drawn[0] else 0.0,
            "contrast": random.uniform(*self.contrast) if drawn[1] else 1.0,
            "saturation": random.uniform(*self.saturation) if drawn[2] else 1.0,
            "turn": random.randint(-self.hue, self.hue) if drawn[3] else 0,
            "contrast_first": drawn[4],
        }

    def apply(
        self, img: Array, shift: float, contrast: float, saturation: float, turn: int, contrast_first: bool, **_: Any
    ) -> Array:
        """The changed image, uint8 (H, W, 3)."""
        if img.dtype != np.uint8 or img.shape[2:] != (3,):
            raise ValueError(
                f"augmentation: PhotometricDistortion expects RGB of 8 bits, got {img.dtype} of the shape {img.shape}; "
                "name three channels by augmentation.photometric_channels, or take another transform"
            )
        img = _bytes(img + np.float32(shift)) if shift else img
        if contrast_first:
            img = _bytes(img * np.float32(contrast))
        if saturation != 1 or turn:
            img = _in_hsv(img, saturation, turn)
        return img if contrast_first else _bytes(img * np.float32(contrast))


def _in_hsv(pixels: Array, saturation: float, turn: int) -> Array:
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    hsv[..., 1] = _bytes(hsv[..., 1] * np.float32(saturation))
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + turn) % HUES
    changed: Array = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return changed


def _bytes(values: Array) -> Array:
    """Clipped and cut to whole numbers, as mmsegmentation does."""
    cut: Array = np.clip(values, 0, 255).astype(np.uint8)
    return cut
