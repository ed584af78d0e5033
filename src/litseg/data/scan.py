"""Reads a whole split once before training: proves that it is sound, counts its labels, takes its fingerprint."""

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from litseg.data.machine import allowed_cpus, cache_folder
from litseg.data.reader import Array, header_size
from litseg.data.source import Pair, Source
from litseg.labels import IGNORE_INDEX


@dataclass(frozen=True)
class SplitScan:
    """What a split holds.

    Attributes:
        sizes: (n, 2) height and width of each sample as it reaches the augmentation.
        pixels: int64 (n, C + 1) pixels of each class in each sample; last void, in multilabel void entries.
        fingerprint: sha256 over the contents of all files, in order.
    """

    sizes: NDArray[np.int64]
    pixels: NDArray[np.int64]
    fingerprint: str

    @property
    def one_size(self) -> bool:
        """Whether all samples have the same height and width."""
        return bool((self.sizes == self.sizes[0]).all())


def scan(source: Source, split: str) -> SplitScan | None:
    """The scan of a split, from the cache where no file has changed; None where the set has no such split.

    Raises:
        ValueError: an unreadable file, sizes that differ, a label without a class, no valid pixel, or a binary split
            without foreground; the message names the file.
    """
    pairs = source.pairs(split)
    if not pairs:
        return None
    cached = cache_folder() / "scans" / f"{_key(source, pairs)}.npz"
    if cached.is_file():
        with np.load(cached, allow_pickle=False) as arrays:
            return SplitScan(arrays["sizes"], arrays["pixels"], str(arrays["fingerprint"]))
    result = _scan(source, pairs, f"checking {split}")
    _refuse_unusable(result, source, split)
    _save(result, cached)
    return result


def _scan(source: Source, pairs: list[Pair], title: str) -> SplitScan:
    with ThreadPoolExecutor(max_workers=min(8, allowed_cpus())) as pool:
        found = pool.map(lambda pair: _scan_pair(source, pair), pairs)
        quiet = len(pairs) < 200 or not sys.stdout.isatty()  # a bar in a log file is only a blank line
        rows = list(track(found, title, total=len(pairs), transient=True, disable=quiet))
    digest = hashlib.sha256("".join(row[2] for row in rows).encode()).hexdigest()
    return SplitScan(np.array([row[0] for row in rows]), np.stack([row[1] for row in rows]), digest)


def _scan_pair(source: Source, pair: Pair) -> tuple[tuple[int, int], NDArray[np.int64], str]:
    files = (*pair.images, *pair.masks)
    sizes = {path: header_size(path) for path in files}
    for path in files[1:]:
        if sizes[path] != sizes[files[0]]:
            what = "its mask" if path in pair.masks else "its second input"
            raise ValueError(
                f"sizes differ: {files[0]} is {sizes[files[0]]} (height, width), {what} {path} is {sizes[path]}"
            )
    source.read_image(pair)  # whole: a truncated file is better found now than in the middle of an epoch
    mask = source.read_mask(pair)
    digest = hashlib.sha256(pair.id.encode())
    for path in files:
        digest.update(path.read_bytes())
    return mask.shape[:2], _count(mask, len(source.class_names), source.task == "multilabel"), digest.hexdigest()


def _count(mask: Array, classes: int, multilabel: bool) -> NDArray[np.int64]:
    void = int((mask == IGNORE_INDEX).sum())
    if multilabel:
        return np.append((mask == 1).sum(axis=(0, 1)), void).astype(np.int64)
    return np.append(np.bincount(mask.ravel(), minlength=classes)[:classes], void).astype(np.int64)


def _refuse_unusable(result: SplitScan, source: Source, split: str) -> None:
    entries = int(result.sizes.prod(axis=1).sum()) * (len(source.class_names) if source.task == "multilabel" else 1)
    if result.pixels[:, -1].sum() == entries:
        raise ValueError(f"data: the {split} split has no valid pixel, all {entries} are void; check data.label_map")
    if source.task == "binary" and result.pixels[:, 1].sum() == 0:
        raise ValueError(f"data: the {split} split has no {source.class_names[1]} pixel; check data.label_map")


def _key(source: Source, pairs: Iterable[Pair]) -> str:
    stats = [(str(path), path.stat()) for pair in pairs for path in (*pair.images, *pair.masks)]
    files = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]
    return hashlib.sha256(json.dumps([source.reading, files]).encode()).hexdigest()[:32]


def _save(result: SplitScan, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    np.savez(temporary, sizes=result.sizes, pixels=result.pixels, fingerprint=np.array(result.fingerprint))
    temporary.replace(path)
