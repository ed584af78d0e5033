"""Calibration: whether what is predicted with confidence 0.8 is right in 8 of 10 cases."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from litseg.labels import IGNORE_INDEX, Task

UNIT = 2**24
"""Confidences are summed as integers of 1 / UNIT, float32's own precision: sums that no order of pixels can change."""


def reliability_counts(confidence: Tensor, right: Tensor, valid: Tensor, bins: int = 15) -> Tensor:
    """Count what falls into equal bins of the confidence.

    Args:
        confidence: probabilities in 0..1, any shape.
        right: bool of the same shape: whether the event that has this probability is there.
        valid: bool of the same shape: what counts.
        bins: number of bins; a bin holds its lower edge, the last one both.

    Returns:
        int64 (bins, 3): entries, those that are right, sum of the confidences in 1 / UNIT.
    """
    confidence = confidence.float()
    index = (confidence * bins).long().clamp_(0, bins - 1).masked_fill_(~valid, bins).flatten()
    sums = torch.zeros(bins + 1, dtype=torch.int64, device=confidence.device)
    sums.index_add_(0, index, (confidence * UNIT).round_().long().flatten())
    wrong, right = torch.bincount(index.mul_(2).add_(right.flatten()), minlength=2 * bins + 2).view(-1, 2).unbind(1)
    return torch.stack([wrong + right, right, sums], 1)[:-1]


def expected_calibration_error(counts: Tensor) -> Tensor:
    """ECE: the mean over entries of |share of right ones - mean confidence| of their bin, float64; Naeini et al. 2015.

    Args:
        counts: (..., bins, 3), see `reliability_counts`.

    Returns:
        (...) in 0..1, NaN where nothing was counted.

    Example:
        >>> print(expected_calibration_error(torch.tensor([[4, 2, 3 * UNIT], [0, 0, 0]])))
        tensor(0.2500, dtype=torch.float64)
    """
    entries, right, confidence = counts.double().unbind(-1)
    return (right - confidence / UNIT).abs().sum(-1) / entries.sum(-1)


def reliability(counts: Tensor) -> dict[str, list[float]]:
    """The reliability diagram of counts (bins, 3): mean `confidence`, `accuracy`, `count`; NaN where a bin is empty."""
    entries, right, confidence = counts.double().unbind(-1)
    return {
        "confidence": (confidence / UNIT / entries).tolist(),
        "accuracy": (right / entries).tolist(),
        "count": entries.long().tolist(),
    }


def confidences(
    probabilities: Tensor, prediction: Tensor, target: Tensor, task: Task, ignore_index: int = IGNORE_INDEX
) -> tuple[Tensor, Tensor, Tensor]:
    """What `Calibration` counts: confidence, right, valid.

    Multiclass: the confidence is the largest probability, and right is whether the predicted class is the true one.
    Binary and multilabel: the confidence is the probability of the class, and right is whether it is there.

    Args:
        probabilities: (N, C, *S); C is 1 in binary mode.
        prediction: predicted labels, see `predicted_labels`.
        target: integer labels (N, *S), in multilabel mode (N, C, *S).
        task: see `litseg.labels.Task`.
        ignore_index: the void label.

    Returns:
        Three (N, K, *S); K is C, in multiclass mode 1.
    """
    truth = target if task == "multilabel" else target.unsqueeze(1)
    if task == "multiclass":
        return probabilities.amax(1, keepdim=True), prediction.unsqueeze(1) == truth, truth != ignore_index
    return probabilities, truth == 1, truth != ignore_index


class Calibration(Metric):
    """Counts for ECE and the reliability diagram, exact under any split into batches and ranks.

    Args:
        channels: K, of the confidences.
        bins: equal bins of the confidence.
        **kwargs: settings of `torchmetrics.Metric`.

    Attributes:
        counts: int64 (K, bins, 3), see `reliability_counts`.
    """

    is_differentiable = False
    full_state_update = False
    counts: Tensor

    def __init__(self, channels: int = 1, bins: int = 15, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bins = bins
        self.add_state("counts", torch.zeros(channels, bins, 3, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, confidence: Tensor, right: Tensor, valid: Tensor) -> None:
        """Count a batch, see `confidences`.

        Args:
            confidence: probabilities (N, K, *S).
            right: bool (N, K, *S): whether what has this probability is true.
            valid: bool (N, K, *S): what counts.
        """
        channels = zip(confidence.unbind(1), right.unbind(1), valid.unbind(1), strict=True)
        self.counts += torch.stack([reliability_counts(*each, self.bins) for each in channels])

    def compute(self) -> Tensor:
        """The counts, on the CPU."""
        return self.counts.cpu()

    def set_dtype(self, dst_type: str | torch.dtype) -> "Calibration":
        """Do nothing: torchmetrics would turn the counts into floats, which stop counting."""
        return self
