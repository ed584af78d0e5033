"""Focal loss: cross-entropy that looks away from pixels already predicted well."""

from collections.abc import Sequence

import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.inputs import LOGARITHMS, LossInputs
from litseg.losses.loss import Reduction, per_class_tensor
from litseg.losses.pixelwise import PixelLoss, PixelsOver, negative_log_likelihood, reduce_pixels, weights_of_pixels


def focal(
    inputs: LossInputs,
    *,
    gamma: float = 2.0,
    alpha: Tensor | None = None,
    class_weights: Tensor | None = None,
    over: PixelsOver = "batch",
    reduction: Reduction = "mean",
) -> Tensor:
    """Focal loss, on the softmax in multiclass mode and on sigmoids otherwise.

    Of one pixel with label y, class weights w and class factors alpha:

        l = w_y alpha_y (1 - p_y)^gamma (- log p_y),    its weight  v = w_y

    alpha scales the loss and stays out of the divisor; class weights are in both. gamma = 0 without alpha is
    `cross_entropy` exactly. For soft targets t the factor is d^gamma with d = sum_c |t_c - p_c| / 2 (|t - p| in a
    sigmoid mode), which is 1 - p_y for a hard label and leaves the minimum, 0, at p = t.

    Source: Lin et al., Focal Loss for Dense Object Detection, 2017, eq. 5; the soft factor follows the quality focal
    loss of Li et al., Generalized Focal Loss, 2020.

    Args:
        inputs: logits and target, checked.
        gamma: >= 0.
        alpha: >= 0, one factor per class; [background, foreground] in binary mode.
        class_weights: w >= 0, one per class; [background, foreground] in binary mode.
        over: "batch", or "world" for the mean over all processes, see `PixelLoss`.
        reduction: as `cross_entropy`: "mean" is sum(l) / sum(v) over valid pixels.

    Returns:
        A scalar in [0, inf), or (N, *S).

    Raises:
        ValueError: a negative gamma, `alpha` or `class_weights` of another length, an unknown reduction.

    Example:
        >>> focal(LossInputs(torch.zeros(1, 2, 1, 1), torch.tensor([[[1]]])), gamma=2.0)  # 0.5 ** 2 * log 2
        tensor(0.1733)
    """
    check_gamma(gamma)
    alpha = inputs.check_class_vector("alpha", alpha)
    class_weights = inputs.check_class_vector("class_weights", class_weights)
    factors = class_weights if alpha is None else alpha if class_weights is None else alpha * class_weights
    losses = inputs.weights * negative_log_likelihood(inputs, factors)
    if gamma != 0:
        # the slope of d^gamma is infinite at 0 for gamma < 1, and times the loss, 0, it would be NaN
        distance = distance_to_target(inputs)
        losses = losses * distance.clamp_min(torch.finfo(distance.dtype).tiny) ** gamma
    return reduce_pixels(losses, weights_of_pixels(inputs, class_weights), reduction, over)


class FocalLoss(PixelLoss):
    """Module form of `focal`; the other arguments are those of `PixelLoss`.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        gamma: how strongly well-predicted pixels fade, >= 0.
        alpha: one factor per class, in binary mode [background, foreground]; a buffer.
        over: see `PixelLoss`.
        reduction: see `Loss`.

    Raises:
        ValueError: a negative gamma, an alpha that is not non-negative numbers, or as `PixelLoss`.
    """

    alpha: Tensor | None

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        gamma: float = 2.0,
        alpha: Sequence[float] | Tensor | None = None,
        over: PixelsOver = "batch",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(mode, ignore_index, class_weights, over, reduction)
        check_gamma(gamma)
        self.gamma = gamma
        self.needs = frozenset() if mode == "multiclass" else LOGARITHMS
        self.register_buffer("alpha", per_class_tensor("alpha", alpha))

    def compute(self, inputs: LossInputs) -> Tensor:
        """Focal loss of checked inputs."""
        return focal(
            inputs,
            gamma=self.gamma,
            alpha=self.alpha,
            class_weights=self.class_weights,
            over=self.over,
            reduction=self.reduction,
        )


def check_gamma(gamma: float) -> None:
    """Raise ValueError below 0."""
    if not gamma >= 0:
        raise ValueError(f"gamma: got {gamma}, expected a number >= 0")


def distance_to_target(inputs: LossInputs) -> Tensor:
    """Total variation between target and prediction, in [0, 1]: 1 - p_y for a hard label y."""
    if inputs.mode == "multiclass":
        if inputs.hard:
            return -torch.expm1(inputs.label_log_probability)
        return (inputs.target - inputs.probabilities).abs().sum(1, keepdim=True) / 2
    # |t - p|, written so that it keeps its digits where the prediction is confident and right
    target = inputs.target
    return (target * inputs.log_complements.exp() - (1 - target) * inputs.log_probabilities.exp()).abs()
