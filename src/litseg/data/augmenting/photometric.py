"""Colour transforms on named channels only, in images of any depth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from albumentations.core.composition import BaseCompose

from litseg.data.reader import Array


class OnChannels(BaseCompose):  # type: ignore[misc]  # albumentations has no types
    """One photometric transform, shown some channels of the image and nothing else.

    Images of another type than uint8 pass through it as float32 from 0 to 1, the smallest and largest value of these
    channels in this image, since albumentations clips floats to that range; the values come back in their own type.
    It draws from the generators that `Augmentation` sets, like every other transform.

    Args:
        transform: an albumentations `ImageOnlyTransform`.
        channels: the channels it may change; None: all of a uint8 image of one or three channels.

    Raises:
        ValueError: on use: an image that has not all of the channels, or whose channels have to be named.
    """

    def __init__(self, transform: Any, channels: Sequence[int] | None = None) -> None:
        super().__init__([transform], p=1.0)
        self.channels = None if channels is None else list(channels)

    def __call__(self, *_: Any, force_apply: bool = False, **data: Any) -> dict[str, Any]:
        """The data with the changed image (H, W, C)."""
        image = data["image"]
        channels = self._channels_of(image)
        if channels:
            changed = image.copy()
            changed[..., channels] = self._apply(np.ascontiguousarray(image[..., channels]), force_apply)
            data["image"] = changed
        return data

    def _channels_of(self, image: Array) -> list[int]:
        count, name = image.shape[2], type(self.transforms[0]).__name__
        if self.channels is None:
            if image.dtype != np.uint8 or count not in (1, 3):
                raise ValueError(
                    f"augmentation.photometric_channels: {name} meets {image.dtype} images of {count} channels; "
                    "expected the channels that colour transforms may change, such as [0,1,2], or [] for none"
                )
            return list(range(count))
        if self.channels and not 0 <= min(self.channels) <= max(self.channels) < count:
            raise ValueError(
                f"augmentation.photometric_channels: expected numbers of 0 to {count - 1}, got {self.channels}"
            )
        return self.channels

    def _apply(self, part: Array, force_apply: bool) -> Array:
        if part.dtype == np.uint8:
            return self._transformed(part, force_apply)
        low, high = float(part.min()), float(part.max())
        if high == low:
            return part
        unit = ((part.astype(np.float64) - low) / (high - low)).astype(np.float32)
        changed = self._transformed(unit, force_apply)
        if np.array_equal(changed, unit):  # not drawn: the values would lose their last digits
            return part
        values = changed.astype(np.float64) * (high - low) + low
        return (np.rint(values) if part.dtype.kind in "ui" else values).astype(part.dtype)

    def _transformed(self, part: Array, force_apply: bool) -> Array:
        changed = self.transforms[0](image=part, force_apply=force_apply)["image"]
        return np.asarray(changed).reshape(part.shape)  # some drop a single channel
