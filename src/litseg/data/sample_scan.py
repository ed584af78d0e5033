"""Reads one sample whole: proves it sound, and keeps the few numbers that checks and statistics are made of."""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from litseg.data.reader import TIFF_SUFFIXES, Array, header_size
from litseg.data.source import Pair, Source
from litseg.labels import IGNORE_INDEX

THUMBNAIL: Final = 32
"""Height and width of the thumbnails; at 32, fundus photographs of different eyes can still be told apart."""
ORIENTATION: Final = 0x0112
"""The EXIF and TIFF tag that asks a viewer to rotate or mirror; 1 asks for nothing."""


@dataclass(frozen=True)
class Sample:
    """What one sample holds.

    Attributes:
        size: height and width as it reaches the augmentation.
        pixels: int64 (C + 1) pixels of each class, last void; in multilabel entries.
        digest: sha256 of its name and the contents of all its files.
        image_digest: sha256 of the contents of its image files.
        thumbnail: uint8 (`THUMBNAIL`, `THUMBNAIL`), grey, its contrast stretched to 0 to 255; constant: 0.
        orientation: the EXIF orientation of its image, 1 where there is none.
        dtype: of the image's pixels.
        low: the image's smallest value.
        high: its largest value.
        mean: (channels,) raw range.
        square: (channels,) mean of the squared values.
    """

    size: tuple[int, int]
    pixels: NDArray[np.int64]
    digest: str
    image_digest: str
    thumbnail: NDArray[np.uint8]
    orientation: int
    dtype: str
    low: float
    high: float
    mean: NDArray[np.float64]
    square: NDArray[np.float64]


class BrokenSampleError(ValueError):
    """A sample that cannot be trained on.

    Attributes:
        kind: what is wrong in two words, such as `missing file`.
        path: the file that is to blame.
        labels: raw label -> pixels, of labels without a class.
    """

    def __init__(self, kind: str, path: Path, message: str, labels: Mapping[int, int] | None = None) -> None:
        super().__init__(message)
        self.kind, self.path, self.labels = kind, path, dict(labels or {})


def scan_sample(source: Source, pair: Pair) -> Sample:
    """Decodes all files of a sample.

    Raises:
        BrokenSampleError: a missing or unreadable file, sizes that differ, an image or mask of another kind
            than the data set's, a value that is not finite, a label without a class; the message names the file.
    """
    _check_sizes(pair)
    image = _image(source, pair)
    mask = _mask(source, pair)
    contents = [path.read_bytes() for path in (*pair.images, *pair.masks)]
    mean, deviation = _mean_and_deviation(image)
    return Sample(
        size=(mask.shape[0], mask.shape[1]),
        pixels=_count(mask, len(source.class_names), source.task == "multilabel"),
        digest=_sha256(pair.id.encode(), *contents),
        image_digest=_sha256(*contents[: len(pair.images)]),
        thumbnail=_thumbnail(image),
        orientation=max(_orientation(path) for path in pair.images),
        dtype=image.dtype.name,
        low=float(image.min()),
        high=float(image.max()),
        mean=mean,
        square=deviation**2 + mean**2,
    )


def _check_sizes(pair: Pair) -> None:
    files = (*pair.images, *pair.masks)
    sizes = {}
    for path in files:
        try:
            if path.stat().st_size == 0:
                raise ValueError(f"cannot read {path}: the file is empty; restore the file or leave it out")
            sizes[path] = header_size(path)
        except OSError as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
            message = f"cannot read {path}: {reason}; restore the file or leave it out"
            raise BrokenSampleError("missing file", path, message) from error
        except ValueError as error:
            raise BrokenSampleError("unreadable file", path, str(error)) from error
    for path in files[1:]:
        if sizes[path] != sizes[files[0]]:
            what = "its mask" if path in pair.masks else "its second input"
            message = f"sizes differ: {files[0]} is {sizes[files[0]]} (height, width), {what} {path} is {sizes[path]}"
            if files[0].suffix.lower() in TIFF_SUFFIXES:
                message += "; bands that were written as pages? tifffile.imwrite(..., planarconfig='contig') keeps them"
            raise BrokenSampleError("size mismatch", path, message)


def _image(source: Source, pair: Pair) -> Array:
    try:
        image = source.read_image(pair)  # whole: a truncated file is better found now than in the middle of an epoch
    except ValueError as error:
        raise BrokenSampleError(_kind(error, "unfit image"), pair.images[0], str(error)) from error
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        strange = int((~np.isfinite(image)).sum())
        message = f"{pair.images[0]}: {strange:,} values are NaN or infinite; expected finite numbers, repair the image"
        raise BrokenSampleError("not finite", pair.images[0], message)
    return image


def _mask(source: Source, pair: Pair) -> Array:
    try:
        return source.read_mask(pair)
    except ValueError as error:
        path = next((path for path in pair.masks if str(path) in str(error)), pair.masks[0])
        if labels := _unseen(source, pair):
            raise BrokenSampleError("unseen label", path, str(error), labels) from error
        raise BrokenSampleError(_kind(error, "unfit mask"), path, str(error)) from error


def _unseen(source: Source, pair: Pair) -> dict[int, int]:
    """Pixels of every raw label without a class; empty where the mask cannot be read for another reason."""
    counts: dict[int, int] = {}
    try:
        masks = source.raw_labels(pair)
    except ValueError:
        return counts
    for raw in masks:
        for label in source.unseen_labels(raw):
            counts[int(label)] = counts.get(int(label), 0) + int((raw == label).sum())
    return counts


def _kind(error: ValueError, otherwise: str) -> str:
    return "unreadable file" if str(error).startswith("cannot read") else otherwise


def _count(mask: Array, classes: int, multilabel: bool) -> NDArray[np.int64]:
    void = int((mask == IGNORE_INDEX).sum())
    if multilabel:
        return np.append((mask == 1).sum(axis=(0, 1)), void).astype(np.int64)
    return np.append(np.bincount(mask.ravel(), minlength=classes)[:classes], void).astype(np.int64)


def _mean_and_deviation(image: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each channel, summed in double without a copy of the image in double."""
    groups = [np.ascontiguousarray(image[..., start : start + 4]) for start in range(0, image.shape[2], 4)]
    found = [cv2.meanStdDev(group) for group in groups]  # OpenCV takes at most four channels
    mean, deviation = (np.concatenate([np.ravel(one[place]) for one in found]) for place in (0, 1))
    return mean.astype(np.float64), deviation.astype(np.float64)


def _thumbnail(image: Array) -> NDArray[np.uint8]:
    shown = np.ascontiguousarray(image[..., :3] if image.shape[2] >= 3 else image[..., :1])
    small = cv2.resize(shown, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float64)
    grey = small.mean(axis=2) if small.ndim == 3 else small
    span = float(np.ptp(grey))
    return np.asarray((grey - grey.min()) * (255 / span if span > 0 else 0), dtype=np.uint8)


def _orientation(path: Path) -> int:
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            import tifffile  # here: its import takes a third of a second, and most images are no TIFFs

            with tifffile.TiffFile(path) as tiff:
                tag = tiff.pages.first.tags.get(ORIENTATION)
                return 1 if tag is None else int(tag.value)
        with Image.open(path) as file:  # asked of every PNG, getexif would decode the pixels again
            return int(file.getexif().get(ORIENTATION, 1)) if "exif" in file.info else 1
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1  # a damaged tag says nothing, and the pixels have been read


def _sha256(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
