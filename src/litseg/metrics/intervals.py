"""Confidence intervals by bootstrap over images."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

Scores = Callable[[Tensor], dict[str, Tensor]]
CHUNK = 2**22
"""Counts of resampled matrices that are held at once (32 MB)."""


def bootstrap_intervals(
    confusions: Tensor, scores: Scores, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of scores of the summed confusion matrix; Efron 1979.

    Images are drawn with replacement, since they are what is independent: pixels are not. Frames of one video, or
    slices of one patient, are not either, and their intervals come out too narrow.

    Args:
        confusions: integer counts of each image (N, C, C) or (N, C, 2, 2).
        scores: of one summed matrix, for instance `lambda matrix: scores(matrix, names)`; torch operations only.
        level: share of the resamples within the interval.
        resamples: how often N images are drawn.
        seed: of the draws.

    Returns:
        Low and high of each score, over the resamples in which it is defined; NaN with fewer than two images.

    Raises:
        ValueError: a level outside 0..1, no resamples.
    """
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"intervals: got level {level}, {resamples} resamples; expected a share and 1 or more")
    if len(confusions) < 2:
        return dict.fromkeys(scores(confusions.sum(0)), (float("nan"), float("nan")))
    tails = [50 * (1 - level), 50 * (1 + level)]
    drawn = bootstrap_replicates(confusions, scores, resamples, seed)
    return {name: _percentiles(values, tails) for name, values in drawn.items()}


def bootstrap_replicates(confusions: Tensor, scores: Scores, resamples: int = 1000, seed: int = 0) -> dict[str, Tensor]:
    """Scores of each resample of the images (resamples,), see `bootstrap_intervals`.

    As many images in the same order are drawn alike, whatever their counts: replicates of two models on the same images
    are pairs.
    """
    drawn = [torch.func.vmap(scores)(matrices) for matrices in _resample(confusions, resamples, seed)]
    return {name: torch.cat([each[name] for each in drawn]) for name in drawn[0]}


def _resample(confusions: Tensor, resamples: int, seed: int) -> Iterator[Tensor]:
    """Summed matrices (chunk, C, C) of drawn images, float64: exact up to 2 ** 53 pixels."""
    images, shape = len(confusions), confusions.shape[1:]
    flat = confusions.flatten(1).double()
    times = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    for chunk in torch.split(torch.from_numpy(times).double(), max(1, CHUNK // flat.shape[1])):
        yield (chunk @ flat).view(-1, *shape)


def _percentiles(values: Tensor, tails: list[float]) -> tuple[float, float]:
    defined = values[~values.isnan()].numpy()
    low, high = np.percentile(defined, tails) if len(defined) else (np.nan, np.nan)
    return float(low), float(high)
