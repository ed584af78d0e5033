"""Focal Tversky loss: a power of the Tversky loss of each class."""

from collections.abc import Sequence
from typing import Final, Literal

import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.overlap import Over, overlap
from litseg.losses.region import Absent, RegionLoss, RegionSwitches, channel_weights, reduce_regions
from litseg.losses.tversky import check_trade_off, tversky_index

_DEFAULT = RegionSwitches()
SMALLEST_LOSS: Final = 1e-7


def focal_tversky(
    inputs: LossInputs,
    switches: RegionSwitches = _DEFAULT,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 0.75,
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """(1 - T)^gamma of every class, with its Tversky index T as in `tversky`, then the mean over classes.

    gamma < 1 turns towards classes that are almost right, gamma > 1 towards those that are wrong; gamma = 1 is
    `tversky`. The paper writes the exponent as 1 / gamma with gamma = 4 / 3: its default is 0.75 here.

    Source: Abraham and Khan, A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion Segmentation,
    2019, eq. 4 (alpha and beta have changed places there: it is its beta that weighs false positives).

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class.
        switches: what is summed over, what an absent class does, smoothing and power; form must be "linear".
        alpha: how much a false positive counts, >= 0.
        beta: how much a false negative counts, >= 0.
        gamma: the exponent, > 0.
        class_weights: >= 0, one per class; [background, foreground] in binary mode, where they cancel in the mean.
        reduction: first classes, then images, see `reduce_regions`.

    Returns:
        A scalar in [0, 1] without smoothing, or (N,) for over="image", else (C,).

    Raises:
        ValueError: gamma <= 0, a negative alpha or beta, another form, `class_weights` of another length.

    Example:
        >>> focal_tversky(LossInputs(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])), gamma=2.0)  # .5 ** 2
        tensor(0.2500)
    """
    check_trade_off(alpha, beta)
    check_exponent(gamma)
    if switches.form != "linear":
        raise ValueError(f"form: got {switches.form!r}, expected 'linear': the exponent is this loss' form")
    counts = overlap(inputs, switches.over, switches.power)
    losses = power_of_loss(1 - tversky_index(counts, switches, alpha, beta), gamma)
    return reduce_regions(1 - losses, counts, switches, channel_weights(inputs, class_weights), reduction)


def power_of_loss(losses: Tensor, gamma: float) -> Tensor:
    """losses^gamma; for gamma < 1 a straight line below 1e-7, since the slope of the power is infinite at 0."""
    if gamma >= 1:
        return losses.clamp_min(0.0) ** gamma
    line = losses * SMALLEST_LOSS ** (gamma - 1)
    return torch.where(losses > SMALLEST_LOSS, losses.clamp_min(SMALLEST_LOSS) ** gamma, line)


class FocalTverskyLoss(RegionLoss):
    """Module form of `focal_tversky`; the other arguments are those of `RegionLoss`, which has a `form` more.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        alpha: how much a false positive counts, >= 0.
        beta: how much a false negative counts, >= 0.
        gamma: the exponent of the loss of a class, > 0.
        over: see `RegionSwitches`.
        absent: see `RegionSwitches`.
        smooth_numerator: see `RegionSwitches`.
        smooth_denominator: see `RegionSwitches`.
        power: see `RegionSwitches`.
        reduction: see `RegionLoss`.

    Raises:
        ValueError: gamma <= 0, a negative alpha or beta, or as `RegionLoss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 0.75,
        over: Over = "batch",
        absent: Absent = "present",
        smooth_numerator: float = 0.0,
        smooth_denominator: float = 0.0,
        power: Literal[1, 2] = 1,
        reduction: Reduction = "mean",
    ) -> None:
        switches = (over, absent, smooth_numerator, smooth_denominator, power)
        super().__init__(mode, ignore_index, class_weights, *switches, reduction=reduction)
        check_trade_off(alpha, beta)
        check_exponent(gamma)
        self.alpha, self.beta, self.gamma = alpha, beta, gamma

    def compute(self, inputs: LossInputs) -> Tensor:
        """Focal Tversky loss of checked inputs."""
        return focal_tversky(
            inputs,
            self.switches,
            alpha=self.alpha,
            beta=self.beta,
            gamma=self.gamma,
            class_weights=self.class_weights,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"alpha={self.alpha}, beta={self.beta}, gamma={self.gamma}, {super().extra_repr()}"


def check_exponent(gamma: float) -> None:
    """Raise ValueError unless above 0."""
    if not gamma > 0:
        raise ValueError(f"gamma: got {gamma}, expected a number > 0")
