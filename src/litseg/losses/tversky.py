"""Tversky loss: an overlap in which false positives and false negatives weigh differently."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.overlap import Over, Overlap, overlap, score
from litseg.losses.region import Absent, Form, RegionLoss, RegionSwitches, channel_weights, reduce_regions

_DEFAULT = RegionSwitches()


def tversky(
    inputs: LossInputs,
    switches: RegionSwitches = _DEFAULT,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Soft Tversky loss of probabilities p and targets t.

    Of one class, with the counts of `overlap`: TP = I, FP = sum p^k - I, FN = sum t^k - I,

        l = 1 - (TP + smooth_numerator) / (TP + alpha FP + beta FN + smooth_denominator)

    alpha = beta = 0.5 is `dice` (with half its smoothing), alpha = beta = 1 is `jaccard`. 0 / 0 gives l = 0.

    Source: Salehi, Erdogmus, Gholipour, Tversky Loss Function for Image Segmentation, 2017, eq. 3 and 4.

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class.
        switches: what is summed over, what an absent class does, smoothing, power and form.
        alpha: how much a false positive counts, >= 0.
        beta: how much a false negative counts, >= 0.
        class_weights: >= 0, one per class; [background, foreground] in binary mode, where they cancel in the mean.
        reduction: first classes, then images, see `reduce_regions`.

    Returns:
        A scalar in [0, 1] without smoothing, or (N,) for over="image", else (C,).

    Raises:
        ValueError: a negative alpha or beta, `class_weights` of another length, an unknown reduction.

    Example:
        >>> import torch
        >>> tversky(LossInputs(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])))  # TP = FP = FN = .5
        tensor(0.5000)
    """
    check_trade_off(alpha, beta)
    counts = overlap(inputs, switches.over, switches.power)
    scores = tversky_index(counts, switches, alpha, beta)
    return reduce_regions(scores, counts, switches, channel_weights(inputs, class_weights), reduction)


def tversky_index(counts: Overlap, switches: RegionSwitches, alpha: float, beta: float) -> Tensor:
    """TP / (TP + alpha FP + beta FN) of every class, smoothed."""
    false_positives, false_negatives = counts.predicted - counts.shared, counts.truth - counts.shared
    return score(
        counts.shared + switches.smooth_numerator,
        counts.shared + alpha * false_positives + beta * false_negatives + switches.smooth_denominator,
    )


class TverskyLoss(RegionLoss):
    """Module form of `tversky`; the other arguments are those of `RegionLoss`.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        alpha: how much a false positive counts, >= 0.
        beta: how much a false negative counts, >= 0.
        over: see `RegionSwitches`.
        absent: see `RegionSwitches`.
        smooth_numerator: see `RegionSwitches`.
        smooth_denominator: see `RegionSwitches`.
        power: see `RegionSwitches`.
        form: see `RegionSwitches`.
        reduction: see `RegionLoss`.

    Raises:
        ValueError: a negative alpha or beta, or as `RegionLoss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        alpha: float = 0.3,
        beta: float = 0.7,
        over: Over = "batch",
        absent: Absent = "present",
        smooth_numerator: float = 0.0,
        smooth_denominator: float = 0.0,
        power: Literal[1, 2] = 1,
        form: Form = "linear",
        reduction: Reduction = "mean",
    ) -> None:
        switches = (over, absent, smooth_numerator, smooth_denominator, power, form)
        super().__init__(mode, ignore_index, class_weights, *switches, reduction)
        check_trade_off(alpha, beta)
        self.alpha, self.beta = alpha, beta

    def compute(self, inputs: LossInputs) -> Tensor:
        """Tversky loss of checked inputs."""
        return tversky(
            inputs,
            self.switches,
            alpha=self.alpha,
            beta=self.beta,
            class_weights=self.class_weights,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"alpha={self.alpha}, beta={self.beta}, {super().extra_repr()}"


def check_trade_off(alpha: float, beta: float) -> None:
    """Raise ValueError below 0."""
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not value >= 0:
            raise ValueError(f"{name}: got {value}, expected a number >= 0")
