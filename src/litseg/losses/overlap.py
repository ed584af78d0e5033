"""The soft counts that region losses (Dice, Jaccard, ...) are made of."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from litseg.losses.inputs import LossInputs
from litseg.losses.world import world_sum

Over = Literal["image", "batch", "world"]


class Overlap(NamedTuple):
    """Soft counts of every class, (N, C) over="image", else (C,); w are the pixel weights."""

    shared: Tensor  # sum w (p^k + t^k - |p - t|^k) / 2: the true positives
    predicted: Tensor  # sum w p^k
    truth: Tensor  # sum w t^k
    weight: Tensor  # sum w: 0 where nothing is valid; one channel where w has one


def overlap(inputs: LossInputs, over: Over, power: int) -> Overlap:
    """Count prediction, truth and what they share.

    (p + t - |p - t|) / 2 = min(p, t) and (p^2 + t^2 - (p - t)^2) / 2 = p t, so no large sums cancel. For 0/1 targets
    both are p t. Source: Wang et al., Jaccard Metric Losses: Optimizing the Jaccard Index with Soft Labels, 2023.
    """
    by_label = inputs.hard and inputs.mode == "multiclass"
    count = _overlap_of_labels if by_label else _overlap_of_targets
    counts = inputs.once(("overlap", power), lambda: count(inputs, power))
    if over == "image":
        return counts
    sums = [each.sum(0) for each in counts]
    return Overlap(*(map(world_sum, sums) if over == "world" else sums))


def _overlap_of_labels(inputs: LossInputs, power: int) -> Overlap:
    """Of images (N, C): p t is p of the label at its pixel and 0 elsewhere, so that no one-hot target is needed."""
    return Overlap(
        inputs.sum_by_label(inputs.weights * inputs.label_log_probability.exp()),
        inputs.squared_mass if power == 2 else inputs.mass,
        inputs.sum_by_label(inputs.weights),
        inputs.weights.flatten(2).sum(2),
    )


def _overlap_of_targets(inputs: LossInputs, power: int) -> Overlap:
    p, t, w = inputs.probabilities, inputs.target, inputs.weights
    shared = p * t if inputs.hard or power == 2 else torch.minimum(p, t)
    return Overlap(
        (w * shared).flatten(2).sum(2),
        inputs.squared_mass if power == 2 else inputs.mass,
        (w * t**power).flatten(2).sum(2),
        w.flatten(2).sum(2),
    )


def score(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Numerator / denominator, and 1 without a gradient for 0 / 0: nothing was there and nothing was said.

    A denominator counts as 0 below the root of the smallest normal number: the gradient, 1 / denominator, stays
    finite there, even times the scale of mixed precision.
    """
    empty = denominator <= torch.finfo(denominator.dtype).tiny ** 0.5
    return torch.where(empty, 1.0, numerator / torch.where(empty, 1.0, denominator))
