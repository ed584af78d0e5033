"""What is made of an image: a label PNG with a palette, and a picture of image and labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from litseg.cli.data.contact_sheet import overlay, visible
from litseg.cli.prediction.images import Opened
from litseg.inference import TiffCanvas
from litseg.inference.tiff_canvas import VOID_COLOUR

Array = NDArray[Any]
LONGEST = 2048
"""Pixels of a side of a picture; more are thinned out."""


class PngCanvas:
    """A label PNG that is being made: labels are its pixels, their colours its palette.

    Args:
        path: of the PNG.
        size: height and width.
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self.path = path
        self.labels = np.zeros((1, *size), dtype=np.uint8)

    def put(self, top: int, left: int, values: Array) -> None:
        """Takes a block (1, h, w)."""
        self.labels[:, top : top + values.shape[1], left : left + values.shape[2]] = values

    def thin(self, step: int) -> Array:
        """Every `step`-th pixel, (1, h, w)."""
        return self.labels[:, ::step, ::step]

    def finish(self, palette: Sequence[Sequence[int]]) -> None:
        """Writes the file."""
        image = Image.fromarray(self.labels[0])
        colours = np.zeros((256, 3), dtype=np.uint8)
        colours[: len(palette)], colours[255] = palette, VOID_COLOUR
        image.putpalette(colours.tobytes())
        write_png(image, self.path)


def write_png(image: Image.Image, path: Path) -> None:
    """Whole or absent."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        image.save(partial, format="PNG")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_overlay(image: Opened, labels: PngCanvas | TiffCanvas, palette: Sequence[Sequence[int]], path: Path) -> None:
    """The image with its labels in colour, at most `LONGEST` pixels a side."""
    height, width = image.size
    step = -(-max(height, width) // LONGEST)
    rows = [image.read(row, 0, 1, width)[:, 0, ::step].numpy() for row in range(0, height, step)]
    drawn = labels.thin(step)
    mask = drawn[0] if len(drawn) == 1 else drawn.transpose(1, 2, 0)
    shown = visible(np.stack(rows).transpose(0, 2, 1))
    write_png(Image.fromarray(overlay(shown, mask, np.asarray(palette, dtype=np.uint8))), path)
