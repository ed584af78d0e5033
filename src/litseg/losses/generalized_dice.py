"""Generalised Dice loss: one Dice over all classes, in which small classes count as much as large ones."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.arguments import check_choice
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.overlap import Over, Overlap, overlap, score
from litseg.losses.region import Absent, Form, RegionLoss, RegionSwitches, channel_weights, reduce_regions

Balance = Literal["square", "simple", "uniform"]
BALANCES: Final[tuple[str, ...]] = get_args(Balance)
SMALLEST_SIZE: Final = 1e-6  # pixels: keeps the weight of a class that soft targets hardly hold finite
_DEFAULT = RegionSwitches()


def generalized_dice(
    inputs: LossInputs,
    switches: RegionSwitches = _DEFAULT,
    *,
    balance: Balance = "square",
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Generalised Dice loss of probabilities p and targets t.

    With the counts of `overlap` and a weight v_c of every class c, 1 / (sum t_c^k)^2 with balance="square":

        l = 1 - (2 sum_c v_c I_c + smooth_numerator) / (sum_c v_c (sum p_c^k + sum t_c^k) + smooth_denominator)

    The classes are summed inside the fraction, so there is one loss for an image or a batch. A class that the target
    does not hold has no size: with absent="present" it is left out, with "all" it takes the largest weight of the
    classes that are there, so that false positives count.

    Source: Sudre et al., Generalised Dice Overlap as a Deep Learning Loss Function for Highly Unbalanced Segmentations,
    2017; "simple" and "uniform" are v = 1 / sum t and v = 1.

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class and this is `dice`.
        switches: what is summed over, "present" or "all", smoothing, power and form.
        balance: "square", "simple" or "uniform".
        class_weights: >= 0, factors on v, one per class; [background, foreground] in binary mode.
        reduction: "none" is (N,) for over="image", else (1,); "mean" and "sum" are over images.

    Returns:
        A scalar in [0, 1] without smoothing, or as `reduction` says.

    Raises:
        ValueError: an unknown balance, absent="zero", `class_weights` of another length, an unknown reduction.

    Example:
        >>> generalized_dice(LossInputs(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])))  # as Dice: equal sizes
        tensor(0.5000)
    """
    check_generalized(balance, switches.absent)
    counts = overlap(inputs, switches.over, switches.power)
    weights = _size_weights(counts, balance, switches.absent)
    factors = channel_weights(inputs, class_weights)
    weights = weights if factors is None else weights * factors
    scores = score(
        2 * (weights * counts.shared).sum(-1, keepdim=True) + switches.smooth_numerator,
        (weights * (counts.predicted + counts.truth)).sum(-1, keepdim=True) + switches.smooth_denominator,
    )
    together = Overlap(*(each.sum(-1, keepdim=True) for each in counts))
    return reduce_regions(scores, together, switches, None, reduction)


def _size_weights(counts: Overlap, balance: Balance, absent: Absent) -> Tensor:
    present = counts.truth > 0
    exponent = {"square": 2, "simple": 1, "uniform": 0}[balance]
    weights = torch.where(present, counts.truth.clamp_min(SMALLEST_SIZE) ** -exponent, 0.0)
    if absent == "all":
        weights = torch.where(present, weights, weights.amax(-1, keepdim=True))
    return weights


class GeneralizedDiceLoss(RegionLoss):
    """Module form of `generalized_dice`; the other arguments are those of `RegionLoss`.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`; here factors on the weights that the sizes give.
        balance: the weight of a class of size s: "square" 1 / s^2, "simple" 1 / s, "uniform" 1.
        over: see `RegionSwitches`.
        absent: "present" or "all".
        smooth_numerator: see `RegionSwitches`.
        smooth_denominator: see `RegionSwitches`.
        power: see `RegionSwitches`.
        form: see `RegionSwitches`.
        reduction: "mean" or "sum" over images; "none": (N,) for over="image", else (1,).

    Raises:
        ValueError: an unknown balance, absent="zero", or as `RegionLoss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        balance: Balance = "square",
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
        check_generalized(balance, absent)
        self.balance: Balance = balance

    def compute(self, inputs: LossInputs) -> Tensor:
        """Generalised Dice loss of checked inputs."""
        return generalized_dice(
            inputs,
            self.switches,
            balance=self.balance,
            class_weights=self.class_weights,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"balance={self.balance!r}, {super().extra_repr()}"


def check_generalized(balance: str, absent: Absent) -> None:
    """Raise ValueError on a balance or an absent-class rule that this loss does not know."""
    check_choice("balance", balance, BALANCES)
    if absent == "zero":
        raise ValueError("absent: got 'zero', expected 'present' or 'all': no mean over classes is taken")
