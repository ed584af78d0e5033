"""Reads image and mask files strictly: what is not certain is refused with the file's name, never guessed.

EXIF orientation is ignored in images and masks alike, because masks carry none; `litseg data check` names the files
whose tag asks for a rotation. Bits are kept: 16-bit files stay uint16, float files become float32.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # `max_pixels` is the one limit

MAX_PIXELS: Final = 178_956_970
"""Above this PIL itself suspects a decompression bomb (twice `PIL.Image.MAX_IMAGE_PIXELS`)."""

TIFF_SUFFIXES: Final = (".tif", ".tiff")
MODES: Final = {
    1: {"1": "L", "L": "L", "LA": "L", "I;16": "I;16", "I;16B": "I;16", "I": "I;16"},
    3: dict.fromkeys(("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"), "RGB"),
    4: {"RGBA": "RGBA"},
}
"""Channels -> mode of a PNG, JPEG, ... -> mode it is read as. Grey becomes three equal channels; alpha is dropped."""
PIXEL_TYPES: Final = ("uint8", "uint16", "float16", "float32", "float64")


def read_pixels(path: Path, channels: int, max_pixels: int = MAX_PIXELS) -> Array:
    """The pixels of an image file, (H, W, channels), uint8, uint16 or float32.

    Args:
        path: PNG, JPEG, BMP, ... or TIFF.
        channels: how many are expected.
        max_pixels: refused from the header above it, before anything is decoded.

    Raises:
        ValueError: an unreadable or truncated file, another number of channels, another type of pixels, or a file that
            is too large; the message names the file.
    """
    with _named(path):
        if path.suffix.lower() in TIFF_SUFFIXES:
            return _channels_last(_tiff(path, max_pixels), channels, path)
        with _opened(path, max_pixels) as file:
            mode = MODES.get(channels, {}).get(file.mode)
            if mode is None:
                raise ValueError(f"{path}: expected {channels} channels, got mode {file.mode}; set data.channels")
            # an array of its own: torch wants it writable
            pixels = np.array(file if mode in ("I;16", file.mode) else file.convert(mode))
        if mode == "I;16":
            pixels = _sixteen_bits(pixels, path)
        return pixels[..., None] if pixels.ndim == 2 else pixels


def read_labels(path: Path, colours: Mapping[int, Sequence[int]] | None = None, max_pixels: int = MAX_PIXELS) -> Array:
    """The raw labels of a mask file, (H, W) integers; a palette PNG gives its indices, not its colours.

    Args:
        path: PNG, BMP, ... or TIFF.
        colours: raw label -> RGB colour, for masks that are painted in colours.
        max_pixels: refused from the header above it.

    Raises:
        ValueError: an unreadable or truncated file, a JPEG (lossy: it changes labels), more than one channel without
            `colours`, a colour that is not among them, or labels that are not integers.
    """
    with _named(path):
        if path.suffix.lower() in TIFF_SUFFIXES:
            labels = _tiff(path, max_pixels)
        else:
            with _opened(path, max_pixels) as file:
                if file.format == "JPEG":
                    raise ValueError(f"{path}: a JPEG mask has lost its labels to compression; expected PNG or TIFF")
                if file.mode not in ("1", "L", "P", "I", "I;16", "I;16B", "RGB", "RGBA"):
                    raise ValueError(
                        f"{path}: expected one channel of label ids, got mode {file.mode}; convert the mask"
                    )
                labels = np.asarray(file)
    labels = labels[..., 0] if labels.ndim == 3 and labels.shape[2] == 1 else labels
    if labels.ndim == 3:
        return _labels_of_colours(labels[..., :3], colours, path)
    if labels.dtype.kind not in "bui":
        raise ValueError(f"{path}: expected integer label ids, got {labels.dtype}; convert the mask")
    return labels.astype(np.uint8) if labels.dtype == bool else labels


def header_size(path: Path) -> tuple[int, int]:
    """Height and width, from the header alone.

    Raises:
        ValueError: a file that cannot be opened as an image.
    """
    with _named(path):
        if path.suffix.lower() in TIFF_SUFFIXES:
            import tifffile  # here: its import takes a third of a second, and most images are no TIFFs

            with tifffile.TiffFile(path) as tiff:
                page = tiff.pages.first
                return int(page.imagelength), int(page.imagewidth)
        with Image.open(path) as file:
            return file.height, file.width


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What a decoder raises, with the file's name."""
    try:
        yield
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"cannot read {path}: {error}; restore the file or leave it out") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: {error} Expected fewer pixels; raise data.max_pixels if that is right") from error
    except Exception as error:  # of a broken file a decoder may raise anything, zlib.error for one
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"{error}"
        raise ValueError(f"cannot read {path}: {reason}; restore the file or leave it out") from error


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[Image.Image]:
    if path.stat().st_size == 0:
        raise ValueError(f"cannot read {path}: the file is empty; restore the file or leave it out")
    if max_pixels > MAX_PIXELS:
        Image.MAX_IMAGE_PIXELS = None  # PIL's own limit would come first
    with Image.open(path) as file:
        _refuse_huge(file.width * file.height, path, max_pixels)
        yield file


def _refuse_huge(pixels: int, path: Path, max_pixels: int) -> None:
    if pixels > max_pixels:
        raise ValueError(
            f"{path}: expected at most {max_pixels:,} pixels, got {pixels:,} by its header; raise data.max_pixels if "
            "that is right"
        )


def _tiff(path: Path, max_pixels: int) -> Array:
    """(H, W) or (H, W, C) of the one image in a TIFF."""
    import tifffile  # here: its import takes a third of a second, and most images are no TIFFs

    with tifffile.TiffFile(path) as tiff:
        if len(tiff.series) != 1:
            raise ValueError(f"{path}: expected one image, got {len(tiff.series)} in this TIFF; split it")
        series = tiff.series[0]
        axes, shape = series.axes, series.shape
        if "Y" not in axes or "X" not in axes or len(axes) > 3:
            raise ValueError(f"{path}: expected rows, columns and channels, got axes {axes} of {shape}; convert it")
        _refuse_huge(shape[axes.index("Y")] * shape[axes.index("X")], path, max_pixels)
        pixels = np.asarray(series.asarray())
    order = [axes.index("Y"), axes.index("X"), *(place for place, name in enumerate(axes) if name not in "YX")]
    return pixels.transpose(order)


def _channels_last(pixels: Array, channels: int, path: Path) -> Array:
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.shape[2] != channels:
        raise ValueError(f"{path}: expected {channels} channels, got {pixels.shape[2]}; set data.channels")
    if pixels.dtype.name not in PIXEL_TYPES:
        raise ValueError(f"{path}: expected pixels of uint8, uint16 or float, got {pixels.dtype}; convert the image")
    return np.ascontiguousarray(
        pixels, dtype=np.float32 if pixels.dtype.kind == "f" else pixels.dtype.newbyteorder("=")
    )


def _sixteen_bits(pixels: Array, path: Path) -> Array:
    """PIL gives some 16-bit files as 32-bit integers."""
    if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"{path}: expected at most 16 bits, got values to {pixels.max()}; save it as a float TIFF")
    return pixels.astype(np.uint16)


def _labels_of_colours(pixels: Array, colours: Mapping[int, Sequence[int]] | None, path: Path) -> Array:
    if colours is None or pixels.dtype != np.uint8 or pixels.shape[2] != 3:
        raise ValueError(
            f"{path}: expected one channel of label ids, got {pixels.shape[2]} channels; give the label of each colour "
            "by 'data.colours={0: [0, 0, 0], 1: [128, 0, 0]}'"
        )
    codes = pixels.astype(np.int64) @ (1 << 16, 1 << 8, 1)
    known = {int(np.dot(colour, (1 << 16, 1 << 8, 1))): int(label) for label, colour in colours.items()}
    table = np.array(sorted(known))
    place = np.searchsorted(table, codes).clip(max=len(table) - 1)
    if (strange := table[place] != codes).any():
        colour = pixels[strange][0].tolist()
        raise ValueError(
            f"{path}: {int(strange.sum())} pixels of colours without a label, such as {colour}; add it to data.colours"
        )
    return np.asarray(np.array([known[code] for code in table.tolist()])[place])
