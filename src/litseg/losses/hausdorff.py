"""Hausdorff loss: errors count by their distance to the edges, as the Hausdorff distance counts the farthest one."""

import math
from collections.abc import Sequence

from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.distance_map import signed_distances, signed_distances_of_target
from litseg.losses.gradient import weights_of_channels
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.pixelwise import PixelLoss, PixelsOver, reduce_pixels


def hausdorff(
    inputs: LossInputs,
    *,
    alpha: float = 2.0,
    class_weights: Tensor | None = None,
    over: PixelsOver = "batch",
    reduction: Reduction = "mean",
) -> Tensor:
    """Squared errors times a power of the distances to the edges of prediction and target.

    Of one pixel and class, with D_p and D_t the distances in pixels to the other side of the edge of the regions
    p > 1/2 and t > 1/2 of an image (see `signed_distances`; both are constants on the way back):

        l = (p - t)^2 (D_p^alpha + D_t^alpha)

    The mean is sum(v l) / sum(v) over pixels and classes with v = w_c w, the class weight times the pixel weight. A
    region that an image has nowhere or everywhere has no edge and D = 0, so a class that is in neither prediction nor
    target costs nothing: add a loss on the regions. Void pixels weigh nothing and are on neither side.

    Source: Karimi and Salcudean, Reducing the Hausdorff Distance in Medical Image Segmentation with Convolutional
    Neural Networks, 2019, eq. 8.

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class.
        alpha: the exponent, > 0.
        class_weights: w_c >= 0, one per class; [background, foreground] in binary mode, where they cancel in the mean.
        over: "batch", or "world" for the mean over all processes, see `PixelLoss`.
        reduction: "mean" as above; "none": v l averaged over classes (N, *S); "sum": the sum of "none".

    Returns:
        A scalar in [0, inf), or (N, *S).

    Raises:
        ValueError: an alpha that is not a positive number, `class_weights` of another length, an unknown reduction.

    Example:
        >>> import torch
        >>> inputs = LossInputs(torch.zeros(1, 1, 3), torch.tensor([[1, 0, 0]]), mode="binary")
        >>> hausdorff(inputs)  # D_t = 1, 1, 2 and p = 1/2 has no edge: (1 + 1 + 4) / 4 / 3
        tensor(0.5000)
    """
    check_alpha(alpha)
    of_target = signed_distances_of_target(inputs)
    of_prediction = signed_distances(inputs.probabilities.detach() > 0.5, inputs.valid)
    factors = of_prediction.abs() ** alpha + of_target.abs() ** alpha
    weights = weights_of_channels(inputs, class_weights)
    return reduce_pixels(weights * factors * (inputs.probabilities - inputs.target).square(), weights, reduction, over)


class HausdorffLoss(PixelLoss):
    """Module form of `hausdorff`; the other arguments are those of `PixelLoss`.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        alpha: the exponent of the distances, > 0.
        over: see `PixelLoss`.
        reduction: see `Loss`.

    Raises:
        ValueError: an alpha that is not a positive number, or as `PixelLoss`.
    """

    needs = frozenset({"probabilities"})

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        alpha: float = 2.0,
        over: PixelsOver = "batch",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(mode, ignore_index, class_weights, over, reduction)
        check_alpha(alpha)
        self.alpha = alpha

    def compute(self, inputs: LossInputs) -> Tensor:
        """Hausdorff loss of checked inputs."""
        return hausdorff(
            inputs, alpha=self.alpha, class_weights=self.class_weights, over=self.over, reduction=self.reduction
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"alpha={self.alpha}, {super().extra_repr()}"


def check_alpha(alpha: float) -> None:
    """Raise ValueError unless a positive number."""
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha: got {alpha}, expected a number > 0")
