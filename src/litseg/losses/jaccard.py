"""Jaccard loss: one minus the intersection over union (IoU) of the soft regions."""

from torch import Tensor

from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.overlap import overlap, score
from litseg.losses.region import RegionLoss, RegionSwitches, channel_weights, reduce_regions

_DEFAULT = RegionSwitches()


def jaccard(
    inputs: LossInputs,
    switches: RegionSwitches = _DEFAULT,
    *,
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Soft Jaccard (IoU) loss of probabilities p and targets t.

    Of one class, with sums over the valid pixels of an image or of the batch, weighted by pixel weights, k = power:

        I = sum (p^k + t^k - |p - t|^k) / 2
        l = 1 - (I + smooth_numerator) / (sum p^k + sum t^k - I + smooth_denominator)

    0 / 0 gives l = 0. p = t gives l = 0, for soft targets too (with equal smoothing). Without smoothing
    l = 2 d / (1 + d) for the Dice loss d of the same counts.

    Source: Rahman and Wang, Optimizing Intersection-Over-Union in Deep Neural Networks, 2016; the form of I is Wang et
    al., Jaccard Metric Losses: Optimizing the Jaccard Index with Soft Labels, 2023.

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
        >>> jaccard(LossInputs(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])))  # I = .5, union = 1.5
        tensor(0.6667)
    """
    counts = overlap(inputs, switches.over, switches.power)
    scores = score(
        counts.shared + switches.smooth_numerator,
        counts.predicted + counts.truth - counts.shared + switches.smooth_denominator,
    )
    return reduce_regions(scores, counts, switches, channel_weights(inputs, class_weights), reduction)


class JaccardLoss(RegionLoss):
    """Module form of `jaccard`; the arguments are those of `RegionLoss`."""

    def compute(self, inputs: LossInputs) -> Tensor:
        """Jaccard loss of checked inputs."""
        return jaccard(inputs, self.switches, class_weights=self.class_weights, reduction=self.reduction)
