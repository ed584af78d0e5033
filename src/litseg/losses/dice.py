"""Dice loss: one minus the F1 score of the soft regions."""

from torch import Tensor

from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.overlap import overlap, score
from litseg.losses.region import RegionLoss, RegionSwitches, channel_weights, reduce_regions

_DEFAULT = RegionSwitches()


def dice(
    inputs: LossInputs,
    switches: RegionSwitches = _DEFAULT,
    *,
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Soft Dice loss of probabilities p and targets t.

    Of one class, with sums over the valid pixels of an image or of the batch, weighted by pixel weights, k = power:

        I = sum (p^k + t^k - |p - t|^k) / 2
        l = 1 - (2 I + smooth_numerator) / (sum p^k + sum t^k + smooth_denominator)

    0 / 0 gives l = 0. p = t gives l = 0, for soft targets too (with equal smoothing).

    Source: Milletari et al., V-Net, 2016, section 3 (k = 2); Drozdzal et al., The Importance of Skip Connections, 2016
    (k = 1); the form of I is Wang et al., Dice Semimetric Losses, 2023.

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class.
        switches: what is summed over, what an absent class does, smoothing and power.
        class_weights: >= 0, one per class; [background, foreground] in binary mode, where they cancel in the mean.
        reduction: first classes, then images, see `reduce_regions`.

    Returns:
        A scalar in [0, 1] without smoothing, or (N,) for over="image", else (C,).

    Raises:
        ValueError: `class_weights` of another length, an unknown reduction.

    Example:
        >>> import torch
        >>> dice(LossInputs(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])))  # I = .5, sum p = 1, sum t = 1
        tensor(0.5000)
    """
    counts = overlap(inputs, switches.over, switches.power)
    scores = score(
        2 * counts.shared + switches.smooth_numerator,
        counts.predicted + counts.truth + switches.smooth_denominator,
    )
    return reduce_regions(scores, counts, switches, channel_weights(inputs, class_weights), reduction)


class DiceLoss(RegionLoss):
    """Module form of `dice`; the arguments are those of `RegionLoss`."""

    def compute(self, inputs: LossInputs) -> Tensor:
        """Dice loss of checked inputs."""
        return dice(inputs, self.switches, class_weights=self.class_weights, reduction=self.reduction)
