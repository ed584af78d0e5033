"""What a data set holds in numbers: classes, weights, mean and std, sizes, co-occurrence."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litseg.data.frequencies import METHODS, class_weights
from litseg.data.sample_scan import BrokenSampleError, Sample
from litseg.data.scan import SplitScan, read_samples, split_scan
from litseg.data.source import SPLITS, Source


def statistics(source: Source) -> dict[str, Any]:
    """Reads every file of every split.

    Returns:
        Plain values, ready for JSON: `data`, `task`, `class_names`, `fingerprint` (sha256 over all splits); `splits`
        with the `split_statistics` of each; of the training split `class_weights` (method -> C numbers) and
        `co_occurrence` (C x C images that hold both classes; the diagonal: that hold the class).

    Raises:
        ValueError: the first file that cannot be read, as in training, or an empty training split.
    """
    scans: dict[str, SplitScan] = {}
    splits: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        if pairs := source.pairs(split):
            samples = _sound(read_samples(source, pairs, f"reading {split}"))
            scans[split] = split_scan(samples)
            splits[split] = split_statistics(source.class_names, samples, scans[split])
    if "train" not in scans:
        raise ValueError("data: the train split is empty; check data.root and the split's files")
    held = (scans["train"].pixels[:, :-1] > 0).astype(np.int64)
    return {
        "data": type(source).__name__,
        "task": source.task,
        "class_names": list(source.class_names),
        "fingerprint": hashlib.sha256("".join(scan.fingerprint for scan in scans.values()).encode()).hexdigest(),
        "splits": splits,
        "class_weights": _weights(source, scans["train"]),
        "co_occurrence": (held.T @ held).tolist(),
    }


def split_statistics(class_names: Sequence[str], samples: Sequence[Sample], scan: SplitScan) -> dict[str, Any]:
    """Of one split.

    Returns:
        `samples`; `pixels` and `images` by class name; `void` pixels (in multilabel entries); `sizes` ("height x
        width" -> samples, most frequent first); `mean` and `std` per channel, raw range; `low` and `high`; `types`.
    """
    mean, std = channel_statistics(samples)
    sizes = Counter(f"{height} x {width}" for height, width in scan.sizes.tolist())
    return {
        "samples": len(samples),
        "pixels": dict(zip(class_names, scan.pixels[:, :-1].sum(axis=0).tolist(), strict=True)),
        "images": dict(zip(class_names, (scan.pixels[:, :-1] > 0).sum(axis=0).tolist(), strict=True)),
        "void": int(scan.pixels[:, -1].sum()),
        "sizes": dict(sizes.most_common()),
        "mean": mean.tolist(),
        "std": std.tolist(),
        "low": min(sample.low for sample in samples),
        "high": max(sample.high for sample in samples),
        "types": sorted({sample.dtype for sample in samples}),
    }


def channel_statistics(samples: Sequence[Sample]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and std of each channel over all pixels of all images, raw range; what `data.mean` and `data.std` take."""
    pixels = np.array([sample.size[0] * sample.size[1] for sample in samples], dtype=np.float64)
    mean = np.average([sample.mean for sample in samples], axis=0, weights=pixels)
    square = np.average([sample.square for sample in samples], axis=0, weights=pixels)
    return np.asarray(mean), np.sqrt(np.maximum(square - mean**2, 0.0))


def _sound(samples: Any) -> list[Sample]:
    found = []
    for sample in samples:
        if isinstance(sample, BrokenSampleError):
            raise sample
        found.append(sample)
    return found


def _weights(source: Source, scan: SplitScan) -> dict[str, list[float]]:
    """Every method with its defaults; the median also as SegNet takes it, with void for a class."""
    if not scan.pixels[:, :-1].any():
        raise ValueError("data: no training sample holds a pixel of any class; check data.label_map")
    found = {method: class_weights(method, scan, source.task) for method in METHODS}
    if source.task != "multilabel":
        setting = {"method": "median_frequency", "median_over": "classes_and_void"}
        found["median_frequency with void"] = class_weights(setting, scan, source.task)
    return found
