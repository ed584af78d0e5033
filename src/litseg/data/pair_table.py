"""The samples of a split in two arrays: loader processes share them, however many samples there are.

A list of 100 000 `Pair` objects takes 150 MB, and every process that looks at them gets a copy of its own, because
looking changes Python's reference counts.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from litseg.data.source import Pair


class PairTable(Sequence[Pair]):
    """A `Sequence[Pair]` that makes a pair when it is asked for one.

    Args:
        pairs: the samples; all have as many images as the first; masks may differ in number (one for each nucleus).
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.length, self.images = len(pairs), len(pairs[0].images) if pairs else 0
        if any(len(pair.images) != self.images for pair in pairs):
            raise ValueError("data: expected every sample to have as many image files as the first")
        words = [word for pair in pairs for word in (pair.id, *map(str, pair.images), *map(str, pair.masks))]
        # where each sample's words begin; the last entry is their end
        self.firsts = np.cumsum([0, *(1 + len(pair.images) + len(pair.masks) for pair in pairs)], dtype=np.int64)
        encoded = [word.encode("utf-8", "surrogateescape") for word in words]
        self.ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)
        self.letters = np.frombuffer(b"".join(encoded), dtype=np.uint8)

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> list[Pair]: ...
    def __getitem__(self, index: int | slice) -> Pair | list[Pair]:
        if isinstance(index, slice):
            return [self._pair(place) for place in range(*index.indices(self.length))]
        if not -self.length <= index < self.length:
            raise IndexError(index)
        return self._pair(index % self.length)

    def __iter__(self) -> Iterator[Pair]:
        return (self._pair(index) for index in range(self.length))

    def _pair(self, index: int) -> Pair:
        first, last = int(self.firsts[index]), int(self.firsts[index + 1])
        ends = self.ends[first:last]
        starts = [int(self.ends[first - 1]) if first else 0, *map(int, ends[:-1])]
        words = [
            self.letters[start:end].tobytes().decode("utf-8", "surrogateescape")
            for start, end in zip(starts, map(int, ends), strict=True)
        ]
        files = tuple(map(Path, words[1:]))
        return Pair(words[0], files[: self.images], files[self.images :])
