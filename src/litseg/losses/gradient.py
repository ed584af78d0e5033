"""Gradient loss: edges of the prediction should stand where the target has its edges."""

import torch
from torch import Tensor
from torch.nn import functional as F

from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.pixelwise import PixelLoss, PixelsOver, reduce_pixels
from litseg.losses.region import channel_weights


def gradient(
    inputs: LossInputs,
    *,
    class_weights: Tensor | None = None,
    over: PixelsOver = "batch",
    reduction: Reduction = "mean",
) -> Tensor:
    """Mean squared difference between the spatial gradients of probabilities p and targets t.

    Of one class and two neighbours a, b along a spatial axis, with r = p - t:

        l = (r_b - r_a)^2,    its weight  v = w_c min(w_a, w_b)

    with w the pixel weights and w_c the class weight, so a pair with a void pixel is out. The mean is sum(v l) / sum(v)
    over pairs of all axes and over classes. An image has about two pairs per pixel, so this is half of what a sum
    divided by the number of pixels would be. Any constant r gives 0: add a loss that sees single pixels.

    Source: the last term of eq. 1 in Eigen and Fergus, Predicting Depth, Surface Normals and Semantic Labels with a
    Common Multi-Scale Convolutional Architecture, 2015, with probabilities in the place of depths.

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class.
        class_weights: >= 0, one per class; [background, foreground] in binary mode, where they cancel in the mean.
        over: "batch", or "world" for the mean over all processes, see `PixelLoss`.
        reduction: "mean" as above; "none": v l of the pairs to the next pixel of every axis, at the first pixel of the
            pair, summed over axes and averaged over classes (N, *S); "sum": the sum of "none".

    Returns:
        A scalar in [0, 4], or (N, *S).

    Raises:
        ValueError: `class_weights` of another length, an unknown reduction.

    Example:
        >>> gradient(LossInputs(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])))  # p is flat, t steps by 1
        tensor(1.)
    """
    residual = inputs.probabilities - inputs.target
    weights = weights_of_channels(inputs, class_weights)
    losses, pairs = torch.zeros_like(residual), torch.zeros_like(weights)
    for axis in range(2, residual.ndim):
        last = residual.shape[axis] - 1
        both = torch.minimum(weights.narrow(axis, 0, last), weights.narrow(axis, 1, last))
        room = [0, 0] * (residual.ndim - 1 - axis) + [0, 1]  # the last pixel has no next one
        losses = losses + F.pad(both * residual.diff(dim=axis).square(), room)
        pairs = pairs + F.pad(both, room)
    return reduce_pixels(losses, pairs, reduction, over)


class GradientLoss(PixelLoss):
    """Module form of `gradient`; the arguments are those of `PixelLoss`."""

    needs = frozenset({"probabilities"})

    def compute(self, inputs: LossInputs) -> Tensor:
        """Gradient loss of checked inputs."""
        return gradient(inputs, class_weights=self.class_weights, over=self.over, reduction=self.reduction)


def weights_of_channels(inputs: LossInputs, class_weights: Tensor | None) -> Tensor:
    """Pixel weight times class weight, (N, 1, *S) or (N, C, *S), of a loss that every class has at every pixel."""
    of_classes = channel_weights(inputs, class_weights)
    if of_classes is None:
        return inputs.weights
    return inputs.weights * of_classes.view(1, -1, *[1] * (inputs.weights.ndim - 2))
