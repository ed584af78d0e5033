"""What losses on overlapping regions (Dice, Jaccard, ...) share: five switches, the soft counts, the reduction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.inputs import LossInputs, check_choice
from litseg.losses.loss import REDUCTIONS, Loss, Reduction

Over = Literal["image", "batch"]
Absent = Literal["present", "all", "zero"]
OVERS: Final[tuple[str, ...]] = get_args(Over)
ABSENTS: Final[tuple[str, ...]] = get_args(Absent)


@dataclass(frozen=True, kw_only=True)
class RegionSwitches:
    """The five choices in which the region losses of the literature differ.

    Args:
        over: what one count is summed over: every "image" on its own, or all pixels of the "batch".
        absent: a class without a valid pixel in the target leaves the mean over classes ("present"), counts in it with
            the loss it has ("all"), or counts in it as 0 ("zero").
        smooth_numerator: added to the numerator of the score, >= 0.
        smooth_denominator: added to its denominator, >= 0.
        power: the exponent k of probabilities and targets in the counts, 1 or 2.

    Raises:
        ValueError: a value other than these.
    """

    over: Over = "batch"
    absent: Absent = "present"
    smooth_numerator: float = 0.0
    smooth_denominator: float = 0.0
    power: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        check_choice("over", self.over, OVERS)
        check_choice("absent", self.absent, ABSENTS)
        check_choice("power", self.power, (1, 2))
        for name in ("smooth_numerator", "smooth_denominator"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected a number >= 0")


class Overlap(NamedTuple):
    """Soft counts of every class, (N, C) over="image" or (C,) over="batch"; w are the pixel weights."""

    shared: Tensor  # sum w (p^k + t^k - |p - t|^k) / 2: the true positives
    predicted: Tensor  # sum w p^k
    truth: Tensor  # sum w t^k
    weight: Tensor  # sum w: 0 where nothing is valid; one channel where w has one


def overlap(inputs: LossInputs, switches: RegionSwitches) -> Overlap:
    """Count prediction, truth and what they share.

    (p + t - |p - t|) / 2 = min(p, t) and (p^2 + t^2 - (p - t)^2) / 2 = p t, so no large sums cancel. For 0/1 targets
    both are p t. Source: Wang et al., Jaccard Metric Losses: Optimizing the Jaccard Index with Soft Labels, 2023.
    """
    p, t, w = inputs.probabilities, inputs.target, inputs.weights
    weighted = w * p
    product = inputs.hard or switches.power == 2
    shared = weighted * t if product else w * torch.minimum(p, t)
    squared = switches.power == 2
    dims = [*range(2, p.ndim)] + ([0] if switches.over == "batch" else [])
    return Overlap(
        shared.sum(dims),
        (weighted * p if squared else weighted).sum(dims),
        (w * t * t if squared else w * t).sum(dims),
        w.sum(dims),
    )


def score(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Numerator / denominator, and 1 without a gradient for 0 / 0: nothing was there and nothing was said.

    A denominator counts as 0 below the root of the smallest normal number: the gradient, 1 / denominator, stays
    finite there, even times the scale of mixed precision.
    """
    empty = denominator <= torch.finfo(denominator.dtype).tiny ** 0.5
    return torch.where(empty, 1.0, numerator / torch.where(empty, 1.0, denominator))


def reduce_regions(
    losses: Tensor, counts: Overlap, switches: RegionSwitches, class_weights: Tensor | None, reduction: Reduction
) -> Tensor:
    """Reduce the losses of classes: first over classes, sum(w l) / sum(w), then over images.

    Args:
        losses: (N, C) or (C,), 1 - score.
        counts: the counts they were computed from.
        switches: how; a class (of an image) without a valid pixel has loss 0.
        class_weights: w, one per channel.
        reduction: over="image": "none" is the mean over classes of every image (N,), "mean" the mean over images
            (without images where no class counts), "sum" the sum. over="batch": "none" is w l of every class (C,), 0
            for a class out of the mean, "sum" the sum, "mean" sum(w l) / sum(w).

    Raises:
        ValueError: an unknown reduction.
    """
    check_choice("reduction", reduction, REDUCTIONS)
    weights, losses = _class_weights(losses, counts, switches.absent, class_weights)
    losses = losses * weights
    if switches.over == "image":
        total = weights.sum(1)
        losses = losses.sum(1) / total.where(total > 0, 1.0)
        weights = (total > 0).to(losses.dtype)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    total = weights.sum()
    return losses.sum() / total.where(total > 0, 1.0)


class RegionLoss(Loss):
    """A loss on regions: `Loss` with the five switches, see `RegionSwitches`.

    In binary mode the foreground is the only class, so `class_weights` cancel in the mean.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        over: see `RegionSwitches`.
        absent: see `RegionSwitches`.
        smooth_numerator: see `RegionSwitches`.
        smooth_denominator: see `RegionSwitches`.
        power: see `RegionSwitches`.
        reduction: "mean" or "sum" to a scalar, "none" to (N,) for over="image", (C,) for "batch".

    Raises:
        ValueError: as `RegionSwitches` and `Loss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        over: Over = "batch",
        absent: Absent = "present",
        smooth_numerator: float = 0.0,
        smooth_denominator: float = 0.0,
        power: Literal[1, 2] = 1,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(mode, ignore_index, class_weights, reduction)
        self.switches = RegionSwitches(
            over=over,
            absent=absent,
            smooth_numerator=smooth_numerator,
            smooth_denominator=smooth_denominator,
            power=power,
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"{super().extra_repr()}, {self.switches}"


def channel_weights(inputs: LossInputs, class_weights: Tensor | None) -> Tensor | None:
    """Class weights of the channels that regions are counted in: in binary mode the foreground's alone."""
    vector = inputs.check_class_vector("class_weights", class_weights)
    return vector[1:] if vector is not None and inputs.mode == "binary" else vector


def _class_weights(
    losses: Tensor, counts: Overlap, absent: Absent, class_weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Weights of the classes, and their losses with the absent ones as `absent` says."""
    weights = torch.ones_like(losses) if class_weights is None else class_weights.expand_as(losses)
    present = counts.truth > 0
    if absent == "present":
        weights = weights * present
    # smoothing would give a loss to a region without a valid pixel
    return weights, losses.where(present if absent == "zero" else counts.weight > 0, 0.0)
