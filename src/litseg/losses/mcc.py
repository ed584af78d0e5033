"""MCC loss: one minus Matthews' correlation coefficient, which counts true negatives too."""

from torch import Tensor

from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.overlap import overlap, score
from litseg.losses.region import RegionLoss, RegionSwitches, channel_weights, reduce_regions

_DEFAULT = RegionSwitches()
FLAT = 1e-24  # a product of variances below it is taken for 0: the slope of its root would overflow


def mcc(
    inputs: LossInputs,
    switches: RegionSwitches = _DEFAULT,
    *,
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Soft MCC loss of probabilities p and targets t, each class against the rest.

    Of one class, with the counts TP = I, FP = sum p^k - I, FN = sum t^k - I and TN = sum 1 - TP - FP - FN:

        l = 1 - (TP TN - FP FN + smooth_numerator) / (sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN)) + smooth_denominator)

    All four counts are taken as shares of the valid pixels, in which the numerator is
    TP - (TP + FP)(TP + FN) and the root is that of two variances: p and t as two-valued variables. Where one of them is
    constant the coefficient is 0 / 0 and counts as 0, so l = 1, without a gradient.

    Source: Abhishek and Hamarneh, Matthews Correlation Coefficient Loss for Deep Convolutional Networks: Application to
    Skin Lesion Segmentation, 2021.

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class.
        switches: what is summed over, what an absent class does, smoothing (added to shares), power and form.
        class_weights: >= 0, one per class; [background, foreground] in binary mode, where they cancel in the mean.
        reduction: first classes, then images, see `reduce_regions`.

    Returns:
        A scalar in [0, 2], or (N,) for over="image", else (C,).

    Raises:
        ValueError: `class_weights` of another length, an unknown reduction.

    Example:
        >>> import torch
        >>> mcc(LossInputs(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])))  # p says nothing about t
        tensor(1.)
    """
    counts = overlap(inputs, switches.over, switches.power)
    pixels = counts.weight.where(counts.weight > 0, 1.0)
    shared, predicted, truth = (each / pixels for each in (counts.shared, counts.predicted, counts.truth))
    variances = predicted * (1 - predicted) * truth * (1 - truth)
    flat = variances <= FLAT
    root = variances.where(~flat, 1.0).sqrt().where(~flat, 0.0)  # the slope of a root is infinite at 0
    covariance = (shared - predicted * truth).where(~flat, 0.0)
    numerator, denominator = covariance + switches.smooth_numerator, root + switches.smooth_denominator
    # 0 / 0 would count as perfect in a region loss
    scores = score(numerator, denominator).where(denominator > 0, 0.0)
    return reduce_regions(scores, counts, switches, channel_weights(inputs, class_weights), reduction)


class MCCLoss(RegionLoss):
    """Module form of `mcc`; the arguments are those of `RegionLoss`."""

    def compute(self, inputs: LossInputs) -> Tensor:
        """MCC loss of checked inputs."""
        return mcc(inputs, self.switches, class_weights=self.class_weights, reduction=self.reduction)
