"""What every data set is: named splits of image and mask files, read in their own depth with void mapped to 255."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from litseg.data.folds import folds_of
from litseg.data.reader import MAX_PIXELS, Array, read_labels, read_pixels
from litseg.data.source_settings import (
    UNSEEN,
    check_classes,
    check_division,
    class_palette,
    compiled_pattern,
    lookup_table,
    mean_and_std,
)
from litseg.data.splits import shares
from litseg.labels import Task

Cache = Literal["none", "ram", "disk"]
SPLITS = ("train", "val", "test")
CACHES: Final = get_args(Cache)
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Pair:
    """One sample on disk: its name, the image files that are stacked into one input, its mask, or masks by class."""

    id: str
    images: tuple[Path, ...]
    masks: tuple[Path, ...]


class Source(ABC):
    """A data set on disk. Subclasses say which files belong to a split; reading and label mapping are shared.

    Args:
        class_names: names by label; their order gives the labels 0 to C-1. In binary: background, foreground.
        task: `multiclass`, `binary` or `multilabel`; see `litseg.labels.Task`.
        void: the raw label of pixels that belong to no class; they become `IGNORE_INDEX` (255) while loading.
        label_map: raw label -> label (or 255 for void). None: raw labels are the labels.
        colours: raw label -> RGB colour, for masks that are painted in colours; None: masks hold label ids.
        channels: of each image file of a sample; several files are stacked in this order.
        resize: (height, width) that images (area) and masks (nearest) are resized to while loading, in every split,
            so that scores are taken at that size too; None keeps the files' own sizes.
        mean: per channel, in the images' raw range; None is ImageNet's for one RGB image (0 to 255).
        std: per channel, in the images' raw range.
        palette: an RGB colour per class for pictures; None draws colours.
        max_pixels: a larger image is refused before it is decoded.
        cache: keep decoded samples in "ram", on "disk" or not ("none"), see `litseg.data.decoded`.
        val_share: share of the training samples that becomes the validation split where the owner gives none; 0: none.
        test_share: likewise for the test split.
        split_seed: seed of these divisions and of folds; it does not follow the run's seed: runs stay comparable.
        group_pattern: regular expression; samples in whose names its first group matches the same (patient, video, ...)
            are never divided among shares or folds. None: every sample stands alone.
        fold: which fold of a cross-validation is the validation split; train and val samples are divided anew.
        folds: how many there are.

    Raises:
        ValueError: fewer class names than the task needs, a label map that leads out of the classes, numbers of mean,
            std and channels that differ, or shares or folds out of range.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        task: Task = "multiclass",
        void: int | None = None,
        label_map: Mapping[int, int] | None = None,
        colours: Mapping[int, Sequence[int]] | None = None,
        channels: Sequence[int] = (3,),
        resize: Sequence[int] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        palette: Sequence[Sequence[int]] | None = None,
        max_pixels: int = MAX_PIXELS,
        cache: Cache = "none",
        val_share: float = 0.0,
        test_share: float = 0.0,
        split_seed: int = 0,
        group_pattern: str | None = None,
        fold: int | None = None,
        folds: int | None = None,
    ) -> None:
        self.class_names = tuple(class_names)
        self.task: Task = task
        check_classes(self.class_names, task)
        self.labels = lookup_table(self._label_count, void, label_map)
        self._strange = (self.labels[:256] == UNSEEN).astype(np.uint8)
        self._labels_of_bytes = self.labels[:256].astype(np.uint8)
        self.colours = colours
        self.channels = tuple(channels)
        self.resize = None if resize is None else (int(resize[0]), int(resize[1]))
        self.mean, self.std = mean_and_std(self.in_channels, mean, std)
        self.palette = class_palette(len(self.class_names), palette)
        self.max_pixels = max_pixels
        if cache not in CACHES:
            raise ValueError(f"data.cache: expected one of {', '.join(CACHES)}, got {cache!r}")
        self.cache: Cache = cache
        self.val_share, self.test_share, self.split_seed = val_share, test_share, split_seed
        self.group_pattern = compiled_pattern(group_pattern)
        self.fold, self.folds = fold, folds
        check_division(val_share, test_share, fold, folds)

    @abstractmethod
    def official(self, split: str) -> list[Pair]:
        """The owner's samples of `train`, `val` or `test` in a fixed order; an empty list where there is no such split.

        Raises:
            ValueError: files that are missing or do not pair up, naming them.
        """

    def pairs(self, split: str) -> list[Pair]:
        """The samples that `train`, `val` or `test` has here: the owner's, or seeded shares of train, or folds.

        Raises:
            ValueError: as `official`, or fewer groups of samples than folds.
        """
        train, val, test = (self._listed(name) for name in SPLITS)
        wanted = (0.0 if test else self.test_share, 0.0 if val or self.folds else self.val_share)
        part = shares([self.group_of(pair) for pair in train], wanted, self.split_seed)
        shared_test, shared_val, train = (
            [pair for pair, own in zip(train, part, strict=True) if own == k] for k in (0, 1, -1)
        )
        val, test = val or shared_val, test or shared_test
        if self.folds is not None:
            pool = sorted(train + val, key=lambda pair: pair.id)
            fold = folds_of(self, pool)
            train = [pair for pair, own in zip(pool, fold, strict=True) if own != self.fold]
            val = [pair for pair, own in zip(pool, fold, strict=True) if own == self.fold]
        return {"train": train, "val": val, "test": test}[split]

    def _listed(self, split: str) -> list[Pair]:
        pairs = self.official(split)
        if not isinstance(pairs, list) or not all(isinstance(pair, Pair) for pair in pairs):
            raise ValueError(
                f"{type(self).__name__}.official({split!r}): expected a list of litseg.data.Pair(id, images, masks), "
                f"got {type(pairs).__name__}" + (f" of {type(pairs[0]).__name__}" if isinstance(pairs, list) else "")
            )
        return pairs

    def divided_groups(self, first: Sequence[Pair], second: Sequence[Pair]) -> list[str]:
        """Groups of more than a sample alone (see `group_of`) that two splits share."""
        here, there = (
            {self.group_of(pair) for pair in pairs if self.group_of(pair) != pair.id} for pairs in (first, second)
        )
        return sorted(here & there)

    def group_of(self, pair: Pair) -> str:
        """What must not be divided among train, val and test: by `group_pattern`, else the sample alone."""
        if self.group_pattern is None:
            return pair.id
        match = self.group_pattern.search(pair.id)
        if match is None:
            raise ValueError(
                f"data.group_pattern: {self.group_pattern.pattern!r} does not match the sample {pair.id!r}"
            )
        return match.group(1) if match.groups() else match.group()

    @property
    def in_channels(self) -> int:
        """Channels of an input, of all its files together."""
        return sum(self.channels)

    @property
    def output_channels(self) -> int:
        """Channels of the network's logits: C, or 1 in binary."""
        return 1 if self.task == "binary" else len(self.class_names)

    @property
    def reading(self) -> list[object]:
        """What the arrays read depend on besides the files; part of every cache key."""
        colours = None if self.colours is None else {int(key): list(value) for key, value in self.colours.items()}
        return [
            type(self).__name__,
            self.class_names,
            self.task,
            self.labels.tolist(),
            colours,
            self.channels,
            self.resize,
        ]

    @property
    def _label_count(self) -> int:
        return 2 if self.task == "multilabel" else len(self.class_names)

    def read_image(self, pair: Pair) -> Array:
        """The image (H, W, C), RGB where it has colours; uint8, uint16 or float32 as its files, the widest of several.

        Raises:
            ValueError: as `litseg.data.reader.read_pixels`, or files of different sizes.
        """
        files = zip(pair.images, self.channels, strict=True)
        parts = [read_pixels(path, channels, self.max_pixels) for path, channels in files]
        if len({part.shape[:2] for part in parts}) > 1:
            sizes = ", ".join(f"{path} {part.shape[:2]}" for path, part in zip(pair.images, parts, strict=True))
            raise ValueError(f"the image files of {pair.id} differ in size (height, width): {sizes}")
        image = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
        return image if self.resize is None else resized(image, self.resize, cv2.INTER_AREA)

    def raw_labels(self, pair: Pair) -> list[Array]:
        """The masks (H, W) as their files hold them, before `label_map`: one, or in multilabel one per class."""
        return [read_labels(path, self.colours, self.max_pixels) for path in pair.masks]

    def read_mask(self, pair: Pair) -> NDArray[np.uint8]:
        """The mask as uint8 labels, 255 for void: (H, W), or (H, W, C) in multilabel.

        Raises:
            ValueError: as `litseg.data.reader.read_labels`, or a raw label without a class; the message names the file.
        """
        masks = self.raw_labels(pair)
        paths = pair.masks if len(pair.masks) == len(masks) else [pair.masks[0]] * len(masks)
        channels = [self._mapped(raw, path) for raw, path in zip(masks, paths, strict=True)]
        if self.resize is not None:
            channels = [resized(channel, self.resize, cv2.INTER_NEAREST) for channel in channels]
        return np.stack(channels, axis=-1) if self.task == "multilabel" else channels[0]

    def unseen_labels(self, raw: Array) -> NDArray[np.int64]:
        """The different raw labels that have no class."""
        values = np.unique(raw).astype(np.int64)
        known = (values >= 0) & (values < len(self.labels))
        return np.asarray(values[~known | (self.labels[np.where(known, values, 0)] == UNSEEN)])

    def _mapped(self, raw: Array, path: Path) -> NDArray[np.uint8]:
        if raw.dtype == np.uint8:  # OpenCV looks up ten times as fast as numpy
            strange = bool(cv2.LUT(raw, self._strange).any())
        else:
            strange = bool(raw.min() < 0 or raw.max() >= len(self.labels) or (self.labels[raw] == UNSEEN).any())
        if strange:
            raise ValueError(self.unseen_message(self.unseen_labels(raw), str(path)))
        if raw.dtype == np.uint8:
            return np.asarray(cv2.LUT(raw, self._labels_of_bytes), dtype=np.uint8)
        return self.labels[raw].astype(np.uint8)

    def unseen_message(self, raw: Array, where: str) -> str:
        """What to do about raw labels without a class."""
        known = [int(value) for value in np.flatnonzero(self.labels != UNSEEN)]
        some = ", ".join(map(str, raw[:8])) + (", ..." if len(raw) > 8 else "")
        message = f"{where}: label {some} has no class: expected one of {known}; "
        if 255 in raw:
            return message + "if 255 is the foreground set 'data.label_map={0: 0, 255: 1}', if it is void data.void=255"
        return message + "correct the mask, add a class name or map it by data.label_map"


def resized(array: Array, size: tuple[int, int], interpolation: int = cv2.INTER_AREA) -> Array:
    """(H, W) or (H, W, C) in another size; OpenCV takes at most four channels at once and drops a single one."""
    if array.ndim == 2:
        return np.asarray(cv2.resize(array, (size[1], size[0]), interpolation=interpolation))
    if array.shape[2] not in (3, 4):
        return np.stack([resized(channel, size, interpolation) for channel in np.moveaxis(array, 2, 0)], axis=-1)
    return np.asarray(cv2.resize(array, (size[1], size[0]), interpolation=interpolation))
