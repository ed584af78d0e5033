"""Boundary loss: probability counts for what its distance to the target's edge says."""

import torch
from torch import Tensor

from litseg.losses.distance_map import signed_distances_of_target
from litseg.losses.gradient import weights_of_channels
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.pixelwise import PixelLoss, PixelsOver, reduce_pixels


def boundary(
    inputs: LossInputs,
    *,
    class_weights: Tensor | None = None,
    over: PixelsOver = "batch",
    reduction: Reduction = "mean",
) -> Tensor:
    """Mean of phi p over pixels and classes, phi a signed distance to the edge of the target's region.

    Of one image and class, with the region G of pixels with t > 1/2 and distances in pixels:

        phi = distance to the nearest pixel of G         outside of G
        phi = 1 - distance to the nearest pixel not in G    in G

    so the outermost pixels of G have 0. A class that an image has nowhere, or everywhere, has phi = 0 there. Void
    pixels weigh nothing and are on neither side, see `signed_distances`. The mean is sum(v phi p) / sum(v) with
    v = w_c w, the class weight times the pixel weight.

    The value may be negative: it is smallest, and seldom 0, for p = 1 in G and 0 elsewhere. A soft target counts as its
    regions, so p = t is not the minimum of one. As phi is 0 for missing classes and grows with the image, add a loss
    on the regions and keep the weight small.

    Source: Kervadec et al., Boundary Loss for Highly Unbalanced Segmentation, 2019, eq. 5; phi, with its 1 inside,
    as in the authors' code.

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class.
        class_weights: w_c >= 0, one per class; [background, foreground] in binary mode, where they cancel in the mean.
        over: "batch", or "world" for the mean over all processes, see `PixelLoss`.
        reduction: "mean" as above; "none": v phi p averaged over classes (N, *S); "sum": the sum of "none".

    Returns:
        A scalar, or (N, *S).

    Raises:
        ValueError: `class_weights` of another length, an unknown reduction.

    Example:
        >>> inputs = LossInputs(torch.zeros(1, 1, 4), torch.tensor([[1, 1, 1, 0]]), mode="binary")
        >>> boundary(inputs)  # phi = -2, -1, 0, 1 and p = 1/2
        tensor(-0.2500)
    """
    distances = signed_distances_of_target(inputs)
    phi = torch.where(distances < 0, distances + 1, distances)
    weights = weights_of_channels(inputs, class_weights)
    return reduce_pixels(weights * phi * inputs.probabilities, weights, reduction, over)


class BoundaryLoss(PixelLoss):
    """Module form of `boundary`; the arguments are those of `PixelLoss`."""

    needs = frozenset({"probabilities"})

    def compute(self, inputs: LossInputs) -> Tensor:
        """Boundary loss of checked inputs."""
        return boundary(inputs, class_weights=self.class_weights, over=self.over, reduction=self.reduction)
