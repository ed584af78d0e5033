"""Images to predict: which files are meant, what is made of each, and how it is opened."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch

from litseg.cli.data.facts import DataFacts
from litseg.cli.errors import UserError
from litseg.data.reader import TIFF_SUFFIXES, read_pixels
from litseg.data.source import IMAGE_SUFFIXES
from litseg.inference import TiffRegions, reader_of
from litseg.inference.sliding_window import Read
from litseg.inference.tiff_regions import Tag

LARGE = 2**24
"""Pixels (4096 x 4096) above which labels become a tiled TIFF."""


@dataclass(frozen=True)
class Job:
    """An image file, and the path of its results without their endings."""

    image: Path
    stem: Path

    def label_files(self) -> tuple[Path, Path]:
        """Where its labels may be: which of the two, depends on the image."""
        return self._with(".png"), self._with(".tif")

    @property
    def probabilities(self) -> Path:
        """A TIFF of a band per channel."""
        return self._with("_probabilities.tif")

    @property
    def overlay(self) -> Path:
        """A picture."""
        return self._with("_overlay.png")

    def is_done(self, probabilities: bool, overlays: bool) -> bool:
        """Whether all that is wanted of it is there."""
        wanted = [self.probabilities] * probabilities + [self.overlay] * overlays
        return any(path.exists() for path in self.label_files()) and all(path.exists() for path in wanted)

    def _with(self, ending: str) -> Path:
        return self.stem.with_name(self.stem.name + ending)


def find_jobs(given: str, output: Path) -> list[Job]:
    """The images of a file, a folder (with its folders) or a glob, by name.

    Args:
        given: what the user wrote.
        output: where results go; images below it are results.

    Raises:
        UserError: there is none, or a result would take the place of an image or of another result.
    """
    path = Path(given).expanduser()
    if path.is_file():
        return _jobs([path], path.parent, output)
    if path.is_dir():
        base, found = path, [each for each in path.rglob("*") if each.suffix.lower() in IMAGE_SUFFIXES]
    elif has_magic(given):
        base = Path(*takewhile(lambda part: not has_magic(part), path.parts))
        found = [each for each in base.glob(str(path.relative_to(base))) if each.is_file()]
    else:
        raise UserError(f"input: expected a file, a folder or a glob such as 'photos/*.jpg', got {given}")
    inside = output.resolve()
    found = [each for each in found if not each.name.startswith(".") and not each.resolve().is_relative_to(inside)]
    if not found and path.resolve() == inside:
        raise UserError(f"output: expected another folder than the input's, got {output}")
    if not found:
        raise UserError(f"input: no images ({', '.join(IMAGE_SUFFIXES)}) in {given}")
    return _jobs(sorted(found), base, output)


def _jobs(images: Sequence[Path], base: Path, output: Path) -> list[Job]:
    jobs = [Job(image, output / image.relative_to(base).with_suffix("")) for image in images]
    taken = {image.resolve(): image for image in images}
    for job in jobs:
        for path in (*job.label_files(), job.probabilities, job.overlay):
            other = taken.setdefault(path.resolve(), job.image)
            if path.resolve() == other.resolve():
                raise UserError(
                    f"output: the labels of {job.image} would take the place of {other}; choose another folder"
                )
            if other != job.image:
                raise UserError(
                    f"input: {other} and {job.image} would both become {path}; predict one of them elsewhere"
                )
    return jobs


@dataclass(frozen=True)
class Opened:
    """An image that can be read in parts. as_tiff: whether its labels become a TIFF: it is large, or on a map."""

    size: tuple[int, int]
    read: Read
    geo_tags: Sequence[Tag] = ()
    as_tiff: bool = False


@contextmanager
def open_image(path: Path, facts: DataFacts, reach: int) -> Iterator[Opened]:
    """Opens an image; a TIFF is read in parts, others at once.

    Args:
        path: the file.
        facts: what images the run was trained on.
        reach: rows of a window.

    Raises:
        ValueError: it cannot be read, or its channels or its type of pixels are not those of the training.
    """
    if path.suffix.lower() in TIFF_SUFFIXES:
        with TiffRegions(path, reach) as tiff:
            _refuse_others(path, tiff.channels, str(tiff.dtype), facts)
            large = math.prod(tiff.size) > LARGE
            yield Opened(tiff.size, tiff.read, tiff.geo_tags, large or bool(tiff.geo_tags))
        return
    try:
        pixels = read_pixels(path, facts.in_channels)
    except ValueError as error:  # the reader speaks to who sets up a training
        raise ValueError(str(error).replace("set data.channels", "give images like those of the training")) from error
    _refuse_others(path, pixels.shape[2], str(pixels.dtype), facts)
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    yield Opened((image.shape[1], image.shape[2]), reader_of(image), (), image[0].numel() > LARGE)


def _refuse_others(path: Path, channels: int, pixels: str, facts: DataFacts) -> None:
    if (channels, pixels) != (facts.in_channels, facts.pixels):
        raise ValueError(
            f"{path}: expected {facts.in_channels} channels of {facts.pixels}, as in training, got {channels} of "
            f"{pixels}; convert the image"
        )
