"""Decoded samples, kept in memory or in one memory-mapped file, so that later epochs do not decode again."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from litseg.data import reader
from litseg.data.machine import cache_folder, in_threads
from litseg.data.reader import Array
from litseg.data.scan import SplitScan
from litseg.data.source import Cache, Pair, Source

AHEAD: Final = 64  # samples decoded before they are written, at most


class Decoded:
    """The images and masks of a split as `Source` reads them, by index.

    `disk` writes them once to the cache folder and maps the file: processes share its pages, and a split may be larger
    than the memory. `ram` decodes into the memory of this process, which forked loader processes share. The file's name
    is a hash of the contents of the split's files, of how the source reads them and of the code that does.

    Args:
        source: the data set.
        pairs: the samples of a split.
        found: the scan of that split.
        cache: "ram" or "disk".

    Raises:
        ValueError: not enough room on the disk, or images of different types.
    """

    def __init__(self, source: Source, pairs: Sequence[Pair], found: SplitScan, cache: Cache) -> None:
        first = source.read_image(pairs[0])
        self.dtype, self.channels = first.dtype, first.shape[2]
        self.mask_channels = len(source.class_names) if source.task == "multilabel" else 1
        self.multilabel = source.task == "multilabel"
        self.sizes = found.sizes
        per_pixel = self.channels * self.dtype.itemsize + self.mask_channels
        # every sample begins at a multiple of 64 bytes, so that pixels of any type can be viewed in place
        lengths = -(-found.sizes.prod(axis=1) * per_pixel // 64) * 64
        self.starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.path = cache_folder() / "decoded" / f"{_key(source, found)}.bin" if cache == "disk" else None
        self._bytes: NDArray[np.uint8] | None = None
        if self.path is None:
            self._bytes = np.empty(self.starts[-1], dtype=np.uint8)
            self._fill(self._bytes, source, pairs)
        elif not self.path.is_file():
            self._write(self.path, source, pairs)

    def __getitem__(self, index: int) -> tuple[Array, NDArray[np.uint8]]:
        """Copies of the image (H, W, channels) and the mask (H, W), in multilabel (H, W, C), of a sample."""
        image, mask = self._views(self._buffer(), index)
        return np.array(image), np.array(mask if self.multilabel else mask[..., 0])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | ({} if self.path is None else {"_bytes": None})  # each process maps the file itself

    def _buffer(self) -> NDArray[np.uint8]:
        if self._bytes is None:
            assert self.path is not None
            self._bytes = np.memmap(self.path, dtype=np.uint8, mode="r")
        return self._bytes

    def _views(self, buffer: NDArray[np.uint8], index: int) -> tuple[Array, NDArray[np.uint8]]:
        height, width = (int(side) for side in self.sizes[index])
        start, pixels = int(self.starts[index]), height * width
        middle = start + pixels * self.channels * self.dtype.itemsize
        image = buffer[start:middle].view(self.dtype).reshape(height, width, self.channels)
        return image, buffer[middle : middle + pixels * self.mask_channels].reshape(height, width, self.mask_channels)

    def _fill(self, buffer: NDArray[np.uint8], source: Source, pairs: Sequence[Pair]) -> None:
        quiet = len(pairs) < 200 or not sys.stdout.isatty()
        samples = track(_read_all(source, pairs), "decoding", total=len(pairs), transient=True, disable=quiet)
        for index, (image, mask) in enumerate(samples):
            if image.dtype != self.dtype:
                raise ValueError(
                    f"data.cache: {pairs[index].images[0]} is {image.dtype}, the first image {self.dtype}; expected "
                    "one type of pixels, set data.cache=none"
                )
            image_room, mask_room = self._views(buffer, index)
            image_room[:] = image
            mask_room[:] = mask if self.multilabel else mask[..., None]

    def _write(self, path: Path, source: Source, pairs: Sequence[Pair]) -> None:
        """Under another name first: the file is whole or absent, and who comes second replaces it by its equal."""
        path.parent.mkdir(parents=True, exist_ok=True)
        needed, free = int(self.starts[-1]), shutil.disk_usage(path.parent).free
        if needed > free:
            raise ValueError(
                f"data.cache=disk: {needed / 1e9:.1f} GB needed in {path.parent}, {free / 1e9:.1f} GB free; set "
                "LITSEG_CACHE to a larger disk, or data.cache=none"
            )
        temporary = path.with_name(f".{os.getpid()}-{path.name}")
        try:
            buffer = np.memmap(temporary, dtype=np.uint8, mode="w+", shape=(needed,))
            self._fill(buffer, source, pairs)
            buffer.flush()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _read_all(source: Source, pairs: Sequence[Pair]) -> Iterator[tuple[Array, NDArray[np.uint8]]]:
    """In order, some decoded ahead in threads: all at once could be more than the memory holds."""
    for start in range(0, len(pairs), AHEAD):
        some = pairs[start : start + AHEAD]
        yield from in_threads(lambda pair: (source.read_image(pair), source.read_mask(pair)), some)


def _key(source: Source, found: SplitScan) -> str:
    modules = [reader.__name__, *(base.__module__ for base in type(source).__mro__[:-2])]  # without ABC and object
    files = {getattr(sys.modules[name], "__file__", None) for name in modules}
    code = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in sorted(filter(None, files))]
    described = json.dumps([found.fingerprint, source.reading, code])
    return hashlib.sha256(described.encode()).hexdigest()[:32]
