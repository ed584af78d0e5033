"""Reads whole splits: before training to prove that they are sound, and for `litseg data check` and `stats`."""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from litseg.data.checking.findings import counted
from litseg.data.machine import cache_folder, in_threads
from litseg.data.sample_scan import BrokenSampleError, Sample, scan_sample
from litseg.data.source import Pair, Source

VERSION = 3
"""Raise it when a scan refuses more, or counts otherwise: what older versions left in the cache is then read anew."""


@dataclass(frozen=True)
class SplitScan:
    """What a split holds.

    Attributes:
        sizes: (n, 2) height and width of each sample as it reaches the augmentation.
        pixels: int64 (n, C + 1) pixels of each class in each sample; last void, in multilabel void entries.
        fingerprint: sha256 over the contents of all files, in order.
        images: (n,) sha256 of the image files of each sample, 64 letters.
    """

    sizes: NDArray[np.int64]
    pixels: NDArray[np.int64]
    fingerprint: str
    images: NDArray[np.bytes_]

    @property
    def one_size(self) -> bool:
        """Whether all samples have the same height and width."""
        return bool((self.sizes == self.sizes[0]).all())


def scan(source: Source, split: str) -> SplitScan | None:
    """The scan of a split, from the cache where no file has changed; None where the set has no such split.

    Raises:
        ValueError: an unreadable file, sizes that differ, a label without a class, images of several types of pixels,
            no valid pixel, or a binary split without foreground; the message names the file.
    """
    pairs = source.pairs(split)
    if not pairs:
        return None
    missing = [path for pair in pairs for path in (*pair.images, *pair.masks) if not path.exists()]
    cached = None if missing else cache_folder() / "scans" / f"{_key(source, pairs)}.npz"
    if cached is not None and cached.is_file():
        with np.load(cached, allow_pickle=False) as arrays:
            return SplitScan(arrays["sizes"], arrays["pixels"], str(arrays["fingerprint"]), arrays["images"])
    samples = []
    for sample in read_samples(source, pairs, f"checking {split}"):
        if isinstance(sample, BrokenSampleError):
            raise sample
        samples.append(sample)
    result = split_scan(samples)
    if problem := mixed_types(samples, split) or unusable(result, source, split):
        raise ValueError(problem)
    if cached is not None:
        _save(result, cached)
    return result


def read_samples(source: Source, pairs: Sequence[Pair], title: str) -> Iterator[Sample | BrokenSampleError]:
    """Every sample's scan, in order, on all CPUs of this process; on a terminal under a progress bar."""

    def of(pair: Pair) -> Sample | BrokenSampleError:
        try:
            return scan_sample(source, pair)
        except BrokenSampleError as error:
            return error

    quiet = len(pairs) < 200 or not sys.stdout.isatty()  # a bar in a log file is only a blank line
    yield from track(in_threads(of, pairs), title, total=len(pairs), transient=True, disable=quiet)


def split_scan(samples: Sequence[Sample]) -> SplitScan:
    """The scan of a split from its samples, at least one."""
    digest = hashlib.sha256("".join(sample.digest for sample in samples).encode()).hexdigest()
    sizes = np.array([sample.size for sample in samples])
    images = np.array([sample.image_digest.encode() for sample in samples])
    return SplitScan(sizes, np.stack([sample.pixels for sample in samples]), digest, images)


def mixed_types(samples: Sequence[Sample], split: str) -> str | None:
    """Why images of a split do not fit one batch and one mean and std; None where they do."""
    types = sorted({sample.dtype for sample in samples})
    return f"data: {split} images are of {' and '.join(types)}; expected one type, convert them" if types[1:] else None


def unusable(result: SplitScan, source: Source, split: str) -> str | None:
    """Why a split of sound samples cannot be trained or scored on; None where it can."""
    entries = int(result.sizes.prod(axis=1).sum()) * (len(source.class_names) if source.task == "multilabel" else 1)
    if result.pixels[:, -1].sum() == entries:
        return f"data: the {split} split has no valid pixel, all {entries} are void; check data.label_map"
    if source.task == "binary" and result.pixels[:, 1].sum() == 0:
        return f"data: the {split} split has no {source.class_names[1]} pixel; check data.label_map"
    return None


def leak(first: SplitScan, second: SplitScan) -> list[tuple[int, int]]:
    """Pairs of samples, one of each split, whose images are the same byte for byte."""
    _, here, there = np.intersect1d(first.images, second.images, return_indices=True)
    return list(zip(here.tolist(), there.tolist(), strict=True))


def divided(first: str, second: str, groups: Sequence[str]) -> str:
    """What to do about groups that two splits share."""
    some = ", ".join(groups[:3]) + (", ..." if len(groups) > 3 else "")
    return (
        f"data: {counted(len(groups), 'group')} both in {first} and in {second} ({some}); expected each in one split: "
        "correct the splits, or set data.group_pattern=null if the groups do not matter"
    )


def _key(source: Source, pairs: Iterable[Pair]) -> str:
    stats = [(str(path), path.stat()) for pair in pairs for path in (*pair.images, *pair.masks)]
    files = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]
    return hashlib.sha256(json.dumps([VERSION, source.reading, files]).encode()).hexdigest()[:32]


def _save(result: SplitScan, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    fingerprint = np.array(result.fingerprint)
    np.savez(temporary, sizes=result.sizes, pixels=result.pixels, fingerprint=fingerprint, images=result.images)
    temporary.replace(path)
