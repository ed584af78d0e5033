"""Threshold-free scores and threshold curves, from histograms of the scores.

A histogram has bins of equal width in the log-odds log(p / (1 - p)) from -LIMIT to LIMIT, so it is fine near 0 and near
1, where most probabilities are. Memory does not grow with pixels. What is computed is exact for scores rounded down to
their bin; `auc_error` and `average_precision_error` bound what rounding can change.
"""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from litseg.labels import IGNORE_INDEX

BINS, LIMIT = 2048, 16.0


def log_odds(logits: Tensor) -> Tensor:
    """Log-odds log(p / (1 - p)) of softmax probabilities p; of a sigmoid they are the logits themselves."""
    return torch.logit(logits.float().softmax(1))


def score_histogram(scores: Tensor, target: Tensor, ignore_index: int = IGNORE_INDEX, bins: int = BINS) -> Tensor:
    """Count the scores of what has a class and of what has not.

    Args:
        scores: log-odds (N, C, *S), infinite ones allowed.
        target: integers: labels (N, *S), each class against the rest where C > 1; or 0 and 1 (N, C, *S).
        ignore_index: the void label.
        bins: number of bins.

    Returns:
        int64 (C, 2, bins): entries without the class, entries with it.
    """
    classes = scores.shape[1]
    truth = target if target.ndim == scores.ndim else target.unsqueeze(1)
    small = torch.int16 if bins < 2**15 else torch.int32  # the fewer bytes, the faster
    index = torch.add(torch.tensor(bins / 2), scores.float(), alpha=bins / (2 * LIMIT)).clamp_(0, bins - 1).to(small)
    void, behind = truth == ignore_index, classes * bins
    if classes > truth.shape[1]:
        own = truth.long().masked_fill_(void, 0)
        cell = index.gather(1, own).int().add_(own, alpha=bins).masked_fill_(void, behind)
        present = _count(cell, behind).view(classes, bins)
    else:
        present = _count_planes(index.masked_fill(truth != 1, bins), bins)
    of_all = _count_planes(torch.maximum(index, void.to(small) * bins, out=index), bins)
    return torch.stack([of_all - present, present], 1)


def _count_planes(index: Tensor, bins: int) -> Tensor:
    """(C, bins) of indices (N, C, *S), those of void behind the last bin."""
    return torch.stack([_count(plane, bins) for plane in index.unbind(1)])


def _count(index: Tensor, behind: int) -> Tensor:
    return torch.bincount(index.flatten(), minlength=behind + 1)[:-1]


def thresholds(bins: int = BINS) -> Tensor:
    """The probability at which each bin begins, float64 (bins,); the first is 0: everything is above it."""
    edges = torch.linspace(-LIMIT, LIMIT, bins + 1, dtype=torch.float64)[:-1].sigmoid()
    edges[0] = 0
    return edges


def area_under_roc(histogram: Tensor) -> Tensor:
    """AUC: the chance that an entry with the class scores higher than one without, ties counting half.

    Args:
        histogram: (C, 2, bins).

    Returns:
        float64 (C,), NaN where a class is in all entries or in none.

    Example:
        >>> print(area_under_roc(torch.tensor([[[3, 1, 0], [0, 1, 3]]])))
        tensor([0.9688], dtype=torch.float64)
    """
    without, present = histogram.double().unbind(1)
    below = without.cumsum(1) - without / 2
    return (present * below).sum(1) / (present.sum(1) * without.sum(1))


def auc_error(histogram: Tensor) -> Tensor:
    """The most by which `area_under_roc` can differ from that of the scores themselves (C,): half of the ties."""
    without, present = histogram.double().unbind(1)
    return (present * without).sum(1) / 2 / (present.sum(1) * without.sum(1))


def average_precision(histogram: Tensor) -> Tensor:
    """AP: the mean precision over the thresholds at which each entry of the class is found, without interpolation.

    Args:
        histogram: (C, 2, bins).

    Returns:
        float64 (C,), NaN where the class is in no entry.
    """
    present = histogram[:, 1].double()
    return (present * precision_recall(histogram)[0].nan_to_num(0)).sum(1) / present.sum(1)


def average_precision_error(histogram: Tensor) -> Tensor:
    """The most by which `average_precision` can differ from that of the scores themselves (C,)."""
    without, present = histogram.double().unbind(1)
    (false, true), above = _at_or_above(histogram), present.clamp(min=1)
    true_before, false_before = true - present, false - without
    best = true / (true + false_before).clamp(min=1)  # all of the bin's positives first
    worst = (true_before + 1) / (true_before + 1 + false)  # all of its negatives first
    return (present * (best - worst) * (above > 0)).sum(1) / present.sum(1)


def precision_recall(histogram: Tensor) -> tuple[Tensor, Tensor]:
    """Precision and recall of score >= threshold for each of `thresholds`, float64 (C, bins); NaN for 0 / 0."""
    false, true = _at_or_above(histogram)
    return true / (true + false), true / true[:, :1]


def overlap_by_threshold(histogram: Tensor) -> tuple[Tensor, Tensor]:
    """Dice and IoU of score >= threshold for each of `thresholds`, float64 (C, bins); NaN without the class."""
    false, true = _at_or_above(histogram)
    union = true[:, :1] + false
    there = true[:, :1] > 0
    return (2 * true / (true + union)).where(there, torch.nan), (true / union).where(there, torch.nan)


def best_thresholds(histogram: Tensor) -> Tensor:
    """The threshold of the highest Dice of each class, float64 (C,), NaN for a class that is in no entry.

    Of several equal ones it is the nearest to 0.5. It is a choice made on these data: take validation data, never test.
    """
    dice, edges = overlap_by_threshold(histogram)[0], thresholds(histogram.shape[-1])
    distance = (edges - 0.5).abs().where(dice == dice.amax(1, keepdim=True), torch.inf)
    return edges[distance.argmin(1)].where(~dice.isnan().all(1), torch.nan)


def overlap_at(histogram: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Dice and IoU (C,) at a threshold for each class (C,), rounded to the nearest of `thresholds`; NaN stays NaN."""
    bins = histogram.shape[-1]
    index = ((chosen.double().logit() + LIMIT) * bins / (2 * LIMIT)).nan_to_num(0).round().clamp(0, bins - 1).long()
    dice, iou = (each.gather(1, index.unsqueeze(1)).squeeze(1) for each in overlap_by_threshold(histogram))
    return dice.where(~chosen.isnan(), torch.nan), iou.where(~chosen.isnan(), torch.nan)


def _at_or_above(histogram: Tensor) -> tuple[Tensor, Tensor]:
    """Entries without and with the class whose score is in this bin or a higher one, float64 (C, bins)."""
    without, present = histogram.double().flip(-1).cumsum(-1).flip(-1).unbind(1)
    return without, present


class ScoreHistogram(Metric):
    """Histograms of scores over a data set, exact under any split into batches and ranks.

    Args:
        channels: C of the scores.
        ignore_index: the void label.
        bins: number of bins.
        **kwargs: settings of `torchmetrics.Metric`.

    Attributes:
        histogram: int64 (C, 2, bins), see `score_histogram`; 32 kB a class.
    """

    is_differentiable = False
    full_state_update = False
    histogram: Tensor

    def __init__(self, channels: int, ignore_index: int = IGNORE_INDEX, bins: int = BINS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ignore_index, self.bins = ignore_index, bins
        self.add_state("histogram", torch.zeros(channels, 2, bins, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, scores: Tensor, target: Tensor) -> None:
        """Count a batch: log-odds (N, C, *S) and target, see `score_histogram`."""
        self.histogram += score_histogram(scores, target, self.ignore_index, self.bins)

    def compute(self) -> Tensor:
        """The histogram, on the CPU."""
        return self.histogram.cpu()

    def set_dtype(self, dst_type: str | torch.dtype) -> "ScoreHistogram":
        """Do nothing: torchmetrics would turn the counts into floats, which stop counting."""
        return self
