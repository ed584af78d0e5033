"""Unified focal loss: a focal cross-entropy and a focal Tversky loss that share their settings."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.focal import distance_to_target
from litseg.losses.focal_tversky import power_of_loss
from litseg.losses.inputs import LOGARITHMS, LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.overlap import Over, overlap
from litseg.losses.pixelwise import PixelsOver, negative_log_likelihood, reduce_pixels, weights_of_pixels
from litseg.losses.region import Absent, RegionLoss, RegionSwitches, channel_weights, reduce_regions
from litseg.losses.tversky import tversky_index

_DEFAULT = RegionSwitches()


def unified_focal(
    inputs: LossInputs,
    switches: RegionSwitches = _DEFAULT,
    *,
    asymmetric: bool = True,
    balance: float = 0.5,
    delta: float = 0.6,
    gamma: float = 0.5,
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Balance F + (1 - balance) T, of a focal cross-entropy F and a focal Tversky loss T.

    F is the mean over pixels of delta d^g (- log p_y), with 1 - delta in the place of delta where y is background and
    d = 1 - p_y (see `focal`). T is the mean over classes of (1 - TP / (TP + delta FN + (1 - delta) FP))^h.

        symmetric:   g = gamma,       h = 1 - gamma, everywhere
        asymmetric:  g = gamma in the background and 0 in the foreground, so that no rare pixel fades;
                     h = 1 in the background and 1 - gamma in the foreground, so that small classes come forward

    Background is class 0 in multiclass mode and target 0 in the sigmoid modes. gamma = 0 is cross-entropy plus Tversky.

    Source: Yeung et al., Unified Focal Loss: Generalising Dice and Cross Entropy-Based Losses to Handle Class
    Imbalanced Medical Image Segmentation, 2022, section 3.4; exponents as in the authors' code (the paper writes gamma
    and 1 - gamma the other way round in its symmetric form; at its 0.5 they agree). There T sums over classes.

    Args:
        inputs: logits and target, checked.
        switches: of T; form must be "linear". F is over the batch, or the world where T is.
        asymmetric: which of the two.
        balance: the share of F, in [0, 1].
        delta: the weight of foreground and of false negatives, in [0, 1].
        gamma: in [0, 1).
        class_weights: >= 0, one per class, for F and T; [background, foreground] in binary mode.
        reduction: "mean", or "sum" of both parts.

    Returns:
        A scalar >= 0.

    Raises:
        ValueError: a number outside its range, reduction="none", another form, `class_weights` of another length.

    Example:
        >>> inputs = LossInputs(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))
        >>> unified_focal(inputs, gamma=0.0)  # F = (.4 + .6) / 2 log 2, T = .5
        tensor(0.4233)
    """
    check_unified(balance, delta, gamma, switches, reduction)
    class_weights = inputs.check_class_vector("class_weights", class_weights)
    background, foreground = _surprises(inputs)
    fading = distance_to_target(inputs).clamp_min(torch.finfo(inputs.dtype).tiny) ** gamma if gamma else 1.0
    losses = (1 - delta) * fading * background + delta * (1.0 if asymmetric else fading) * foreground
    weights = weights_of_pixels(inputs, class_weights)
    over: PixelsOver = "world" if switches.over == "world" else "batch"
    pixels = reduce_pixels(weights * losses, weights, reduction, over)

    counts = overlap(inputs, switches.over, switches.power)
    overlaps = 1 - tversky_index(counts, switches, alpha=1 - delta, beta=delta)
    powers = power_of_loss(overlaps, 1 - gamma)
    if asymmetric and inputs.mode == "multiclass":
        powers = torch.cat([overlaps[..., :1], powers[..., 1:]], -1)
    regions = reduce_regions(1 - powers, counts, switches, channel_weights(inputs, class_weights), reduction)
    return balance * pixels + (1 - balance) * regions


def _surprises(inputs: LossInputs) -> tuple[Tensor, Tensor]:
    """- sum_c t_c log p_c over the background, and over the foreground."""
    if inputs.mode != "multiclass":
        return -(1 - inputs.target) * inputs.log_complements, -inputs.target * inputs.log_probabilities
    if inputs.hard:
        surprise = negative_log_likelihood(inputs)
        return surprise * (inputs.labels == 0), surprise * (inputs.labels != 0)
    surprise = -inputs.target * inputs.log_probabilities
    return surprise[:, :1], surprise[:, 1:].sum(1, keepdim=True)


class UnifiedFocalLoss(RegionLoss):
    """Module form of `unified_focal`; the other arguments are those of `RegionLoss`, which has a `form` more.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        asymmetric: whether foreground pixels do not fade and the background's overlap is not raised to a power.
        balance: the share of the cross-entropy part, in [0, 1].
        delta: the weight of foreground and of false negatives, in [0, 1].
        gamma: the focus, in [0, 1).
        over: see `RegionSwitches`.
        absent: see `RegionSwitches`.
        smooth_numerator: see `RegionSwitches`.
        smooth_denominator: see `RegionSwitches`.
        power: see `RegionSwitches`.
        reduction: "mean" or "sum".

    Raises:
        ValueError: a number outside its range, reduction="none", or as `RegionLoss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        asymmetric: bool = True,
        balance: float = 0.5,
        delta: float = 0.6,
        gamma: float = 0.5,
        over: Over = "batch",
        absent: Absent = "present",
        smooth_numerator: float = 0.0,
        smooth_denominator: float = 0.0,
        power: Literal[1, 2] = 1,
        reduction: Reduction = "mean",
    ) -> None:
        switches = (over, absent, smooth_numerator, smooth_denominator, power)
        super().__init__(mode, ignore_index, class_weights, *switches, reduction=reduction)
        check_unified(balance, delta, gamma, self.switches, reduction)
        self.asymmetric, self.balance, self.delta, self.gamma = asymmetric, balance, delta, gamma
        self.needs = self.needs if mode == "multiclass" else LOGARITHMS

    def compute(self, inputs: LossInputs) -> Tensor:
        """Unified focal loss of checked inputs."""
        return unified_focal(
            inputs,
            self.switches,
            asymmetric=self.asymmetric,
            balance=self.balance,
            delta=self.delta,
            gamma=self.gamma,
            class_weights=self.class_weights,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        own = f"asymmetric={self.asymmetric}, balance={self.balance}, delta={self.delta}, gamma={self.gamma}"
        return f"{own}, {super().extra_repr()}"


def check_unified(balance: float, delta: float, gamma: float, switches: RegionSwitches, reduction: Reduction) -> None:
    """Raise ValueError on a number outside its range, or a form or reduction that two parts cannot share."""
    for name, value in (("balance", balance), ("delta", delta)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: got {value}, expected a number in [0, 1]")
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma: got {gamma}, expected a number in [0, 1)")
    if switches.form != "linear":
        raise ValueError(f"form: got {switches.form!r}, expected 'linear': the exponents are this loss' form")
    if reduction == "none":
        raise ValueError("reduction: got 'none', expected 'mean' or 'sum': pixels and classes have no common shape")
