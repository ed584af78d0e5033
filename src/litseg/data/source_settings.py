"""What a data set is told about its classes, channels and splits: checked, and made ready to work with."""

import re
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from litseg.labels import IGNORE_INDEX, Task

IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # raw range
UNSEEN = -1


def check_classes(class_names: tuple[str, ...], task: Task) -> None:
    """Raise ValueError on class names that do not fit the task."""
    if task not in ("multiclass", "binary", "multilabel"):
        raise ValueError(f"data.task: expected multiclass, binary or multilabel, got {task!r}")
    if task == "binary" and len(class_names) != 2:
        raise ValueError(f"data.class_names: binary expects [background, foreground], got {list(class_names)}")
    if task == "multiclass" and len(class_names) < 2:
        raise ValueError(f"data.class_names: multiclass expects at least two names, got {list(class_names)}")
    if not class_names or len(set(class_names)) != len(class_names) or len(class_names) > IGNORE_INDEX:
        raise ValueError(f"data.class_names: expected 1 to 255 different names, got {list(class_names)}")


def lookup_table(classes: int, void: int | None, label_map: Mapping[int, int] | None) -> NDArray[np.int16]:
    """Raw label (0 to 255, or to the largest that is mapped) -> label, `UNSEEN` where a raw label has no class."""
    given = dict(label_map or {value: value for value in range(classes)})
    table = np.full(max(256, *(int(raw) + 1 for raw in given)), UNSEEN, dtype=np.int16)
    for raw, label in given.items():
        if not (0 <= int(raw) <= 65535 and (0 <= int(label) < classes or label == IGNORE_INDEX)):
            raise ValueError(
                f"data.label_map: expected 0..65535 -> 0..{classes - 1} or 255 (void), got {raw} -> {label}"
            )
        table[int(raw)] = label
    if void is not None:
        if not 0 <= void < len(table):
            raise ValueError(f"data.void: expected a label of 0 to {len(table) - 1} or null, got {void}")
        table[void] = IGNORE_INDEX
    return table


def mean_and_std(
    channels: int, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """One of each per channel; ImageNet's for three channels where none is given."""
    if mean is None and std is None and channels == 3:
        return IMAGENET_MEAN, IMAGENET_STD
    for name, values in (("mean", mean), ("std", std)):
        if values is None or len(values) != channels:
            got = "none" if values is None else f"{len(values)}"
            raise ValueError(
                f"data.{name}: expected {channels} numbers, one per channel, got {got}; `litseg data stats` prints them"
            )
    assert mean is not None
    assert std is not None
    if min(std) <= 0:
        raise ValueError(f"data.std: expected numbers above 0, got {list(std)}")
    return tuple(map(float, mean)), tuple(map(float, std))


def compiled_pattern(text: str | None) -> re.Pattern[str] | None:
    """A regular expression, or a ValueError that says what is wrong with it."""
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise ValueError(f"data.group_pattern: expected a regular expression, got {text!r}: {error}") from error


def check_division(val_share: float, test_share: float, fold: int | None, folds: int | None) -> None:
    """Raise ValueError on shares that leave nothing to train on, and on a fold that is none."""
    if not 0 <= val_share < 1 or not 0 <= test_share < 1 - val_share:
        raise ValueError(f"data: val_share {val_share} and test_share {test_share} must leave a share for train")
    if (fold is None) != (folds is None) or (fold is not None and folds is not None and not 0 <= fold < folds):
        raise ValueError(
            f"data.fold, data.folds: expected fold from 0 to folds - 1, or neither, got {fold} and {folds}"
        )


def class_palette(classes: int, palette: Sequence[Sequence[int]] | None) -> NDArray[np.uint8]:
    """RGB (C, 3) by label, as given or drawn."""
    if palette is not None:
        if np.shape(palette) != (classes, 3):
            raise ValueError(f"data.palette: expected {classes} RGB colours, got shape {np.shape(palette)}")
        return np.asarray(palette, dtype=np.uint8)
    hues = np.arange(classes) * 0.618033988749895 % 1.0  # golden-ratio steps keep neighbours apart
    hsv = np.stack([hues * 179, np.full(classes, 190), np.full(classes, 230)], axis=-1).astype(np.uint8)
    colours = np.asarray(cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB))[0]
    colours[0] = (40, 40, 40) if classes > 1 else colours[0]
    return np.asarray(colours, dtype=np.uint8)
