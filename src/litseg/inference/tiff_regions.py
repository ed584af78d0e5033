"""Regions of a TIFF that is too large to be read at once.

Uncompressed files are read where their rows lie; others tile by tile or strip by strip, and the last ones are kept.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
Tag = tuple[int, int, int, Any, bool]
"""As tifffile takes it: code, type, count, value, whether on the first page only."""

GEO_TAGS: Final = (33550, 33922, 34264, 34735, 34736, 34737)
"""Pixel scale, tie points, transformation, and the three of the coordinate system."""
KEPT: Final = 2**26
"""Bytes of decoded tiles or strips that are kept."""
PIXEL_TYPES: Final = ("uint8", "uint16", "float16", "float32", "float64")


class _Layout(NamedTuple):
    """Of tiles or strips: the size of one, and how many lie down and across; planar: one after the other by channel."""

    height: int
    width: int
    down: int
    across: int
    planar: bool


class TiffRegions:
    """An open TIFF of one image (reduced copies of it may follow, as in a cloud-optimized GeoTIFF).

    Args:
        path: the file.
        reach: rows that a reader goes to and fro in, the height of a window.

    Attributes:
        size: height and width.
        channels: of the image.
        dtype: uint8, uint16 or float32, which half and double floats become.
        geo_tags: where the image lies on Earth, to be written with what is predicted from it.

    Raises:
        ValueError: not one image of rows, columns and channels, another type of pixels, a compression that cannot be
            read, or tiles or strips so large that `reach` rows of them would not fit in memory.
    """

    def __init__(self, path: Path, reach: int = 512) -> None:
        self.path = path
        self._kept: OrderedDict[int, int] = OrderedDict()  # number of a tile or strip -> where in `_store` it is
        try:
            self._file = tifffile.TiffFile(path)
        except Exception as error:  # of a broken file a decoder may raise anything
            raise ValueError(f"cannot read {path}: {error}; restore the file or leave it out") from error
        try:
            self._inspect(reach)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, top: int, left: int, height: int, width: int) -> Tensor:
        """A region (C, height, width).

        Raises:
            ValueError: the file is damaged there.
        """
        if self._page.is_memmappable:
            region = self._in_place(top, left, height, width)
        else:
            region = np.empty((self.channels, height, width), dtype=self._page.dtype)
            for index in self._segments(top, left, height, width):
                self._paste(region, index, top, left)
        return torch.from_numpy(np.ascontiguousarray(region, dtype=self.dtype))

    def _inspect(self, reach: int) -> None:
        self._page = self._single()
        self._planes, layers, *self._shape = self._page.shaped  # rows, columns, channels that lie side by side
        if layers != 1 or (self._planes > 1 and self._shape[2] > 1):
            raise ValueError(f"{self.path}: expected rows, columns and channels, got {self._page.axes}; convert it")
        self.size = (int(self._shape[0]), int(self._shape[1]))
        self.channels = self._planes * self._shape[2]
        self.dtype = self._pixel_type()
        self._stored = np.dtype(self._page.dtype).newbyteorder(self._file.byteorder)
        tags = [tag for tag in self._page.tags if tag.code in GEO_TAGS]
        self.geo_tags: list[Tag] = [(tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in tags]
        self._layout = self._layout_of()
        if not self._page.is_memmappable:
            self._refuse_large_segments(reach)
            self._store = self._room()

    def _single(self) -> tifffile.TiffPage:
        pages = [page.aspage() for page in self._file.pages]
        own = [page for page in pages if not (page.is_reduced or page.is_mask)]
        if len(own) != 1:
            raise ValueError(f"{self.path}: expected one image, got {len(own)} in this TIFF; split it")
        return own[0]

    def _pixel_type(self) -> np.dtype[Any]:
        found = self._page.dtype
        if found is None or found.name not in PIXEL_TYPES:
            raise ValueError(f"{self.path}: expected pixels of uint8, uint16 or float, got {found}; convert the image")
        return np.dtype(np.float32) if found.kind == "f" else np.dtype(found.name)

    def _layout_of(self) -> _Layout:
        page, (height, width) = self._page, self.size
        tall, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, height), width)
        return _Layout(tall, wide, -(-height // tall), -(-width // wide), self._planes > 1)

    def _refuse_large_segments(self, reach: int) -> None:
        """A row of windows goes through the same tiles or strips again and again; they must fit."""
        tall, wide, *_ = self._layout
        if self._page.is_tiled:
            needed, kind = (reach + 2 * tall) * (reach + 2 * wide), "tiles"
        else:
            needed, kind = min(-(-reach // tall) + 1, self._layout.down) * tall * wide, "strips"
        size = needed * self.channels * np.dtype(self._page.dtype).itemsize
        if size > KEPT:
            raise ValueError(
                f"{self.path}: its {kind} of {tall} x {wide} pixels are too large to be worked in parts: expected at "
                f"most {KEPT >> 20} MB for {reach} rows, got {size >> 20}; convert it to one without compression, or "
                "with small tiles (gdal_translate -co TILED=YES)"
            )

    def _in_place(self, top: int, left: int, height: int, width: int) -> Array:
        """Without a memory map, whose pages would count as this process's memory."""
        rows, columns, mixed = self._shape
        found = np.empty((self._planes, height, width, mixed), self._stored)
        handle, pixel = self._file.filehandle, mixed * found.dtype.itemsize
        for plane in range(self._planes):
            for row in range(height):
                handle.seek(self._page.dataoffsets[0] + ((plane * rows + top + row) * columns + left) * pixel)
                data = handle.read(width * pixel)
                if len(data) < width * pixel:
                    raise ValueError(f"{self.path}: the file ends early; restore it or leave it out")
                found[plane, row] = np.frombuffer(data, found.dtype).reshape(width, mixed)
        return found[..., 0] if mixed == 1 else found[0].transpose(2, 0, 1)

    def _segments(self, top: int, left: int, height: int, width: int) -> Iterator[int]:
        """Numbers of the tiles or strips that a region touches."""
        tall, wide, down, across, planar = self._layout
        for plane in range(self._planes if planar else 1):
            for row in range(top // tall, -(-(top + height) // tall)):
                for column in range(left // wide, -(-(left + width) // wide)):
                    yield (plane * down + row) * across + column

    def _paste(self, region: Array, index: int, top: int, left: int) -> None:
        tall, wide, down, across, _ = self._layout
        plane, place = divmod(index, down * across)
        y, x = place // across * tall - top, place % across * wide - left
        segment = self._decoded(index)
        channels = slice(plane, plane + 1) if self._planes > 1 else slice(None)
        inside = segment[:, max(0, -y) : region.shape[1] - y, max(0, -x) : region.shape[2] - x]
        y, x = max(0, y), max(0, x)
        region[channels, y : y + inside.shape[1], x : x + inside.shape[2]] = inside

    def _decoded(self, index: int) -> Array:
        """A tile or strip (c, h, w); what lies outside the image means nothing."""
        if index in self._kept:
            self._kept.move_to_end(index)
            place = self._kept[index]
        else:
            found = self._decode(index)
            full = len(self._kept) == len(self._store)
            place = self._kept.popitem(last=False)[1] if full else len(self._kept)
            self._store[place, : found.shape[0], : found.shape[1]] = found
            self._kept[index] = place
        return np.asarray(self._store[place].transpose(2, 0, 1))

    def _room(self) -> Array:
        """At once: thousands of small arrays, kept and freed among large ones, fragment the memory."""
        tall, wide, down, across, planar = self._layout
        one = (tall, wide, self._shape[2])
        fitting = KEPT // (math.prod(one) * np.dtype(self._page.dtype).itemsize)
        return np.empty((min(fitting, down * across * (self._planes if planar else 1)), *one), self._page.dtype)

    def _decode(self, index: int) -> Array:
        page, handle = self._page, self._file.filehandle
        more = {}
        if page.jpegtables is not None or page.jpegheader is not None:
            more = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        try:
            handle.seek(page.dataoffsets[index])
            data = handle.read(page.databytecounts[index])
            found, _, shape = page.decode(data or None, index, **more)
        except Exception as error:  # of a broken file a decoder may raise anything
            raise ValueError(f"cannot read {self.path}: {error}; restore the file or leave it out") from error
        if found is None:  # a tile that was left out, as GDAL does: all of its pixels have the file's fill value
            found = np.full(shape, page.nodata, dtype=page.dtype)
        return np.asarray(found[0])
