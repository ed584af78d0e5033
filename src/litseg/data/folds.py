"""The folds of a cross-validation: which sample is in which, kept so that they stay as they are."""

import hashlib
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from litseg.data.machine import cache_folder, in_threads
from litseg.data.splits import stratified_folds

if TYPE_CHECKING:
    from litseg.data.source import Pair, Source


def folds_of(source: "Source", pairs: Sequence["Pair"]) -> NDArray[np.int64]:
    """The fold of every sample, stratified by the classes it holds, groups kept together.

    They depend on the masks, `folds` and `split_seed` alone. Reading all masks takes a while, so the folds are kept as
    JSON in the cache, by sample name, and reused while no mask file has changed.

    Raises:
        ValueError: a mask that cannot be read, or fewer groups than folds.
    """
    assert source.folds is not None
    path = cache_folder() / "folds" / f"{_key(source, pairs)}.json"
    if path.is_file():
        kept = json.loads(path.read_text())
        return np.array([kept[pair.id] for pair in pairs])
    groups = [source.group_of(pair) for pair in pairs]
    folds = stratified_folds(groups, _presence(source, pairs), source.folds, source.split_seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    temporary.write_text(json.dumps({pair.id: int(fold) for pair, fold in zip(pairs, folds, strict=True)}, indent=1))
    temporary.replace(path)
    return folds


def _presence(source: "Source", pairs: Sequence["Pair"]) -> NDArray[np.bool_]:
    """(samples, classes) whether a mask holds a class; in multilabel, a pixel of it."""
    classes = np.arange(len(source.class_names))

    def of(pair: "Pair") -> NDArray[np.bool_]:
        mask = source.read_mask(pair)
        return (mask == 1).any(axis=(0, 1)) if source.task == "multilabel" else np.isin(classes, mask)

    return np.array(list(in_threads(of, pairs)))


def _key(source: "Source", pairs: Sequence["Pair"]) -> str:
    stats = [(pair.id, source.group_of(pair), *(path.stat().st_size for path in pair.masks)) for pair in pairs]
    times = [path.stat().st_mtime_ns for pair in pairs for path in pair.masks]
    described = [source.reading, source.folds, source.split_seed, stats, times]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:32]
