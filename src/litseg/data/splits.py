"""Divides samples into splits and folds: seeded, and the same on every machine."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def shares(groups: Sequence[str], parts: Sequence[float], seed: int) -> NDArray[np.int64]:
    """Which part each sample falls into: 0, 1, ... for `parts`, -1 for the rest.

    Samples of one group stay together, so that a part holds its share of the groups, of at least one where it is not 0.

    Args:
        groups: the group of every sample.
        parts: shares of the whole.
        seed: of the shuffle.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    part, start = np.full(len(names), -1, dtype=np.int64), 0
    for number, share in enumerate(parts):
        count = max(1, round(share * len(names))) if share > 0 else 0
        part[order[start : start + count]] = number
        start += count
    return np.asarray(part[group])


def stratified_folds(groups: Sequence[str], presence: NDArray[np.bool_], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of every sample, each fold with its part of the samples of every class.

    Groups with the rarest class are dealt out first, each to the fold that lacks that class most, then to the one with
    fewest samples. Source: Sechidis, Tsoumakas, Vlahavas, On the Stratification of Multi-label Data, ECML 2011,
    algorithm 1, with groups of samples in the place of samples.

    Args:
        groups: the group of every sample; samples of one group share a fold.
        presence: (samples, classes) whether a sample holds a class.
        folds: how many, at most the number of groups.
        seed: decides between equals.

    Raises:
        ValueError: fewer groups than folds, or fewer than two folds.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if not 2 <= folds <= len(names):
        raise ValueError(f"data.folds: expected 2 to {len(names)}, the number of groups of samples, got {folds}")
    samples = np.bincount(group).astype(np.float64)
    held = np.zeros((len(names), presence.shape[1]))
    np.add.at(held, group, presence)
    rng = np.random.default_rng(seed)
    fold = np.full(len(names), -1, dtype=np.int64)
    lack, lack_samples = np.tile(held.sum(0) / folds, (folds, 1)), np.full(folds, samples.sum() / folds)
    while (left := np.flatnonzero(fold < 0)).size:
        remaining = (held[left] > 0).sum(0)
        rarest = int(np.where(remaining > 0, remaining, np.inf).argmin())
        holders = left[held[left, rarest] > 0] if remaining[rarest] > 0 else left
        for one in rng.permutation(holders):
            keys = np.stack([rng.random(folds), lack_samples, lack[:, rarest] if remaining[rarest] else lack_samples])
            fold[one] = chosen = int(np.lexsort(keys)[-1])
            lack[chosen] -= held[one]
            lack_samples[chosen] -= samples[one]
    return np.asarray(fold[group])
