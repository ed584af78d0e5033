"""What every data set is: named splits of image and mask files, read as uint8 with void mapped to 255."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from litseg.labels import IGNORE_INDEX, Task

SPLITS = ("train", "val", "test")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
UNSEEN = -1

Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """One sample on disk: its name, its image file and its mask file (multilabel: one mask file per class)."""

    id: str
    image: Path
    masks: tuple[Path, ...]


class Source(ABC):
    """A data set on disk. Subclasses say which files belong to a split; reading and label mapping are shared.

    Args:
        class_names: names by label; their order gives the labels 0 to C-1. In binary: background, foreground.
        task: `multiclass`, `binary` or `multilabel`; see `litseg.labels.Task`.
        void: the raw label of pixels that belong to no class; they become `IGNORE_INDEX` (255) while loading.
        label_map: raw label -> label (or 255 for void). None: raw labels are the labels.
        resize: (height, width) that images (area) and masks (nearest) are resized to while loading, in every split,
            so that scores are taken at that size too; None keeps the files' own sizes.
        mean: per channel, in the images' raw range (0 to 255).
        std: per channel, in the images' raw range.
        palette: an RGB colour per class for pictures; None draws colours.

    Raises:
        ValueError: fewer class names than the task needs, or a label map that leads out of the classes.
    """

    in_channels = 3

    def __init__(
        self,
        class_names: Sequence[str],
        task: Task = "multiclass",
        void: int | None = None,
        label_map: Mapping[int, int] | None = None,
        resize: Sequence[int] | None = None,
        mean: Sequence[float] = (123.675, 116.28, 103.53),  # ImageNet's, in raw range
        std: Sequence[float] = (58.395, 57.12, 57.375),
        palette: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.class_names = tuple(class_names)
        self.task: Task = task
        _check_classes(self.class_names, task)
        self.labels = _lookup_table(self._label_count, void, label_map)
        self.resize = None if resize is None else (int(resize[0]), int(resize[1]))
        self.mean, self.std = tuple(mean), tuple(std)
        self.palette = _palette(len(self.class_names), palette)

    @abstractmethod
    def pairs(self, split: str) -> list[Pair]:
        """The samples of `train`, `val` or `test` in a fixed order; an empty list where a set has no such split.

        Raises:
            ValueError: files that are missing or do not pair up, naming them.
        """

    @property
    def output_channels(self) -> int:
        """Channels of the network's logits: C, or 1 in binary."""
        return 1 if self.task == "binary" else len(self.class_names)

    @property
    def _label_count(self) -> int:
        return 2 if self.task == "multilabel" else len(self.class_names)

    def read_image(self, pair: Pair) -> Array:
        """The image as uint8 (H, W, 3) RGB. EXIF orientation is ignored, since masks carry none."""
        with Image.open(pair.image) as file:
            if file.mode.startswith(("I", "F")):
                raise ValueError(f"{pair.image}: expected 8-bit pixels, got mode {file.mode}; convert it to 8 bit")
            image = np.array(file.convert("RGB"))  # a copy: torch wants it writable
        return image if self.resize is None else _resized(image, self.resize, cv2.INTER_AREA)

    def read_mask(self, pair: Pair) -> Array:
        """The mask as uint8 labels, 255 for void: (H, W), or (H, W, C) in multilabel.

        Raises:
            ValueError: a mask that is not 8-bit labels, or a raw label without a class, naming the file.
        """
        channels = [self._mapped(read_labels(path), path) for path in pair.masks]
        if self.resize is not None:
            channels = [_resized(channel, self.resize, cv2.INTER_NEAREST) for channel in channels]
        return np.stack(channels, axis=-1) if self.task == "multilabel" else channels[0]

    def _mapped(self, raw: Array, path: Path) -> Array:
        labels = self.labels[raw]
        if (labels == UNSEEN).any():
            raise ValueError(self._unseen_message(np.unique(raw[labels == UNSEEN]), path))
        return labels.astype(np.uint8)

    def _unseen_message(self, raw: Array, path: Path) -> str:
        known = [int(value) for value in np.flatnonzero(self.labels != UNSEEN)]
        message = f"{path}: label {', '.join(map(str, raw))} has no class: expected one of {known}"
        if 255 in raw:
            message += "; if 255 is void set data.void=255, if it is the foreground set 'data.label_map={0: 0, 255: 1}'"
        return message + ("" if 255 in raw else "; correct the mask, add a class name or map it by data.label_map")


def read_labels(path: Path) -> Array:
    """The raw labels of a mask file, uint8 (H, W); a palette PNG gives its indices, not its colours.

    Raises:
        ValueError: the file is a JPEG (lossy: it changes labels) or not a single 8-bit channel.
    """
    with Image.open(path) as file:
        if file.format == "JPEG":
            raise ValueError(f"{path}: a JPEG mask has lost its labels to compression; expected a PNG of label ids")
        if file.mode not in ("L", "P", "1"):
            raise ValueError(f"{path}: expected one 8-bit channel of label ids, got mode {file.mode}; convert the mask")
        return np.asarray(file).astype(np.uint8)


def _resized(array: Array, size: tuple[int, int], interpolation: int) -> Array:
    return np.asarray(cv2.resize(array, (size[1], size[0]), interpolation=interpolation), dtype=np.uint8)


def _check_classes(class_names: tuple[str, ...], task: Task) -> None:
    if task not in ("multiclass", "binary", "multilabel"):
        raise ValueError(f"data.task: expected multiclass, binary or multilabel, got {task!r}")
    if task == "binary" and len(class_names) != 2:
        raise ValueError(f"data.class_names: binary expects [background, foreground], got {list(class_names)}")
    if task == "multiclass" and len(class_names) < 2:
        raise ValueError(f"data.class_names: multiclass expects at least two names, got {list(class_names)}")
    if not class_names or len(set(class_names)) != len(class_names) or len(class_names) > IGNORE_INDEX:
        raise ValueError(f"data.class_names: expected 1 to 255 different names, got {list(class_names)}")


def _lookup_table(classes: int, void: int | None, label_map: Mapping[int, int] | None) -> NDArray[np.int16]:
    """Raw label (0 to 255) -> label, `UNSEEN` where a raw label has no class."""
    table = np.full(256, UNSEEN, dtype=np.int16)
    for raw, label in (label_map or {value: value for value in range(classes)}).items():
        if not (0 <= int(raw) <= 255 and (0 <= int(label) < classes or label == IGNORE_INDEX)):
            raise ValueError(f"data.label_map: expected 0..255 -> 0..{classes - 1} or 255 (void), got {raw} -> {label}")
        table[int(raw)] = label
    if void is not None:
        if not 0 <= void <= 255:
            raise ValueError(f"data.void: expected a label of 0 to 255 or null, got {void}")
        table[void] = IGNORE_INDEX
    return table


def _palette(classes: int, palette: Sequence[Sequence[int]] | None) -> Array:
    if palette is not None:
        if np.shape(palette) != (classes, 3):
            raise ValueError(f"data.palette: expected {classes} RGB colours, got shape {np.shape(palette)}")
        return np.asarray(palette, dtype=np.uint8)
    hues = np.arange(classes) * 0.618033988749895 % 1.0  # golden-ratio steps keep neighbours apart
    hsv = np.stack([hues * 179, np.full(classes, 190), np.full(classes, 230)], axis=-1).astype(np.uint8)
    colours = np.asarray(cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB))[0]
    colours[0] = (40, 40, 40) if classes > 1 else colours[0]
    return np.asarray(colours, dtype=np.uint8)
