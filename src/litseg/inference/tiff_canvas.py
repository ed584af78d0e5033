"""A TIFF that is written in any order, in bounded memory, and exists only when it is whole.

What arrives goes to a plain file beside it; at the end that becomes tiles, compressed.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from litseg.inference.tiff_regions import Tag

Array = NDArray[Any]
TILE: Final = 256
VOID_COLOUR: Final = (255, 255, 255)


class TiffCanvas:
    """A label or probability TIFF that is being made; leaving the `with` block without `finish` leaves nothing.

    Args:
        path: of the TIFF.
        bands: how many; several lie one after the other.
        size: height and width.
        dtype: of a pixel.

    Raises:
        OSError: there it cannot be written.
    """

    def __init__(self, path: Path, bands: int, size: tuple[int, int], dtype: type[np.generic]) -> None:
        self.path, self.bands, self.size, self.dtype = path, bands, size, np.dtype(dtype)
        self._raw, self._partial = (path.with_name(f".{path.name}.{kind}") for kind in ("raw", "partial"))
        self._file = os.open(self._raw, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
        self._raw.unlink(missing_ok=True)
        self._partial.unlink(missing_ok=True)

    def put(self, top: int, left: int, values: Array) -> None:
        """Takes a block (bands, h, w)."""
        for band, rows in enumerate(np.ascontiguousarray(values, dtype=self.dtype)):
            for row, line in enumerate(rows):
                _write_all(self._file, line.tobytes(), self._offset(band, top + row, left))

    def thin(self, step: int) -> Array:
        """Every `step`-th pixel of what was put, (bands, h, w)."""
        columns = self.size[1]
        lines = [
            os.pread(self._file, columns * self.dtype.itemsize, self._offset(band, row, 0))
            for band in range(self.bands)
            for row in range(0, self.size[0], step)
        ]
        thinned = [np.frombuffer(line, self.dtype)[::step] for line in lines]
        return np.stack(thinned).reshape(self.bands, -1, len(thinned[0]))

    def finish(
        self, geo_tags: Sequence[Tag] = (), palette: Sequence[Sequence[int]] | None = None, description: str = ""
    ) -> None:
        """Writes the TIFF: tiles of 256 x 256, deflate.

        Args:
            geo_tags: see `TiffRegions.geo_tags`.
            palette: RGB by label, for a single band of labels.
            description: what the bands are.
        """
        layout: dict[str, Any] = {"photometric": "minisblack"}
        if palette is not None:
            layout = {"photometric": "palette", "colormap": _colour_map(palette)}
        if self.bands > 1:
            layout["planarconfig"] = "separate"
        shape = self.size if self.bands == 1 else (self.bands, *self.size)
        tifffile.imwrite(
            self._partial, self._tiles(), shape=shape, dtype=self.dtype, tile=(TILE, TILE), compression="zlib",
            extratags=list(geo_tags), metadata=None, description=description or None, maxworkers=1, **layout,
        )  # fmt: skip
        self._partial.replace(self.path)

    def _tiles(self) -> Iterator[Array]:
        height, width = self.size
        for band in range(self.bands):
            for top in range(0, height, TILE):
                for left in range(0, width, TILE):
                    tile = np.zeros((TILE, TILE), self.dtype)
                    columns = min(TILE, width - left)
                    for row in range(min(TILE, height - top)):
                        data = os.pread(self._file, columns * self.dtype.itemsize, self._offset(band, top + row, left))
                        tile[row, :columns] = np.frombuffer(data, self.dtype)
                    yield tile

    def _offset(self, band: int, row: int, column: int) -> int:
        return ((band * self.size[0] + row) * self.size[1] + column) * self.dtype.itemsize


def _write_all(file: int, data: bytes, offset: int) -> None:
    """A write may be cut short, by a full disk for one; the next one then says why."""
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _colour_map(palette: Sequence[Sequence[int]]) -> Array:
    colours = np.zeros((256, 3), dtype=np.uint16)
    colours[: len(palette)] = np.asarray(palette)
    colours[255] = VOID_COLOUR
    return (colours * 257).T  # 8 bits to 16
