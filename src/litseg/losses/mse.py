"""Mean squared error between probabilities and target, the Brier score."""

import torch
from torch import Tensor

from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.pixelwise import PixelLoss, PixelsOver, reduce_pixels, weights_of_pixels
from litseg.losses.softmax_statistics import SQUARES


def mse(
    inputs: LossInputs,
    *,
    class_weights: Tensor | None = None,
    over: PixelsOver = "batch",
    reduction: Reduction = "mean",
) -> Tensor:
    """Mean squared error of probabilities p and hard or soft targets t.

    Of one pixel with C classes and class weights w:

        l = v sum_c (p_c - t_c)^2 / C,    its weight  v = sum_c w_c t_c

    The mean is sum(l) / sum(v) over valid pixels: `torch.nn.functional.mse_loss` of p and one-hot targets where nothing
    is void or weighted. In a sigmoid mode every channel is a two-class problem with l = v (p - t)^2; one channel
    equals a softmax over the logits (0, x).

    Source: Brier, Verification of Forecasts Expressed in Terms of Probability, 1950, whose score is C times this.

    Args:
        inputs: logits and target, checked.
        class_weights: w >= 0, one per class; [background, foreground] in binary mode.
        over: "batch", or "world" for the mean over all processes, see `PixelLoss`.
        reduction: first classes, then pixels, as `cross_entropy`.

    Returns:
        A scalar in [0, 2 / C], in a sigmoid mode in [0, 1], or (N, *S).

    Raises:
        ValueError: `class_weights` of another length, an unknown reduction.

    Example:
        >>> mse(LossInputs(torch.zeros(1, 4, 1, 1), torch.tensor([[[0]]])))  # (.75^2 + 3 * .25^2) / 4
        tensor(0.1875)
    """
    class_weights = inputs.check_class_vector("class_weights", class_weights)
    weights = weights_of_pixels(inputs, class_weights)
    return reduce_pixels(weights * _squared_errors(inputs), weights, reduction, over)


def _squared_errors(inputs: LossInputs) -> Tensor:
    """Of pixels (N, 1, *S) in multiclass mode, of entries (N, C, *S) in a sigmoid mode."""
    if inputs.mode == "multiclass" and inputs.hard:
        return _squared_errors_of_labels(inputs)
    squares = (inputs.probabilities - inputs.target).square()
    return squares.mean(1, keepdim=True) if inputs.mode == "multiclass" else squares


def _squared_errors_of_labels(inputs: LossInputs) -> Tensor:
    """((1 - p_y)^2 + sum_(c != y) p_c^2) / C, without a copy of the probabilities.

    The second term is sum p^2 - p_y^2, which cancels where p_y is near 1. There it lies between 0 and the first, and is
    held there, so that the result is never negative and off by less than a factor of 2.
    """
    missing = -torch.expm1(inputs.label_log_probability)
    first = missing.square()
    second = torch.minimum((inputs.squares - (1 - missing).square()).clamp_min(0.0), first)
    return (first + second) / inputs.channels


class MSELoss(PixelLoss):
    """Module form of `mse`; the arguments are those of `PixelLoss`."""

    needs = frozenset({SQUARES})  # of labels; others read all probabilities, which is no other work without a chunk

    def compute(self, inputs: LossInputs) -> Tensor:
        """Mean squared error of checked inputs."""
        return mse(inputs, class_weights=self.class_weights, over=self.over, reduction=self.reduction)
