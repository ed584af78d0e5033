"""Centre-line Dice loss (clDice): whether the centre lines of prediction and target lie in each other."""

from collections.abc import Sequence

from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.overlap import Over, Overlap, score
from litseg.losses.region import (
    SMALLEST_SCORE,
    Absent,
    Form,
    RegionLoss,
    RegionSwitches,
    channel_weights,
    reduce_regions,
)
from litseg.losses.soft_skeleton import soft_skeleton
from litseg.losses.world import world_sum

_DEFAULT = RegionSwitches(smooth_numerator=1.0, smooth_denominator=1.0)


def centerline_dice(
    inputs: LossInputs,
    switches: RegionSwitches = _DEFAULT,
    *,
    iterations: int = 3,
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Soft clDice loss of probabilities p and targets t.

    Of one class, with S_p and S_t the `soft_skeleton` of p and t, and sums over valid pixels weighted by pixel weights:

        precision   P = (sum S_p t + smooth_numerator) / (sum S_p + smooth_denominator)
        sensitivity R = (sum S_t p + smooth_numerator) / (sum S_t + smooth_denominator)
        l = 1 - 2 P R / (P + R)

    p = t gives 0 for 0/1 targets (with equal smoothing), not for soft ones. Background is a class like any other, as
    its thin parts are the gaps between objects; a class weight of 0 takes it out. A wide region has no centre line
    within `iterations`, so it hardly counts: smoothing keeps the ratio of two almost empty skeletons quiet.

    Source: Shit et al., clDice - a Novel Topology-Preserving Loss Function for Tubular Structure Segmentation, 2021,
    section 3; smoothing by 1 as in the authors' code.

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class.
        switches: what is summed over, what an absent class does, smoothing and form; power must be 1.
        iterations: erosions of the skeleton, >= 0; about the radius of the widest line.
        class_weights: >= 0, one per class; [background, foreground] in binary mode, where they cancel in the mean.
        reduction: first classes, then images, see `reduce_regions`.

    Returns:
        A scalar in [0, 1] with equal smoothing, or (N,) for over="image", else (C,).

    Raises:
        ValueError: negative `iterations`, power=2, `class_weights` of another length, an unknown reduction.

    Example:
        >>> import torch
        >>> inputs = LossInputs(torch.zeros(1, 1, 1, 3), torch.tensor([[[0, 1, 0]]]), mode="binary")
        >>> centerline_dice(inputs)  # S_p = 0 everywhere, S_t = t: P = 1, R = 3/4, so 1 - 6/7
        tensor(0.1429)
    """
    check_iterations(iterations)
    if switches.power != 1:
        raise ValueError(f"power: got {switches.power}, expected 1: skeletons have no power")
    p, t = inputs.probabilities, inputs.target

    def total(values: Tensor | float) -> Tensor:
        sums = (inputs.weights * values).flatten(2).sum(2)
        if switches.over == "image":
            return sums
        return world_sum(sums.sum(0)) if switches.over == "world" else sums.sum(0)

    lines, true_lines = (soft_skeleton(each, inputs.valid, iterations) for each in (p, t))
    counts = Overlap(shared=total(lines * t), predicted=total(lines), truth=total(t), weight=total(1.0))
    precision = _share(counts.shared, counts.predicted, switches)
    sensitivity = _share(total(true_lines * p), total(true_lines), switches)
    scores = 2 * precision * sensitivity / (precision + sensitivity).clamp_min(SMALLEST_SCORE)
    return reduce_regions(scores, counts, switches, channel_weights(inputs, class_weights), reduction)


class CenterlineDiceLoss(RegionLoss):
    """Module form of `centerline_dice`; the other arguments are those of `RegionLoss`, which has a `power` more.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        iterations: erosions of the skeleton, >= 0.
        over: see `RegionSwitches`.
        absent: see `RegionSwitches`.
        smooth_numerator: see `RegionSwitches`.
        smooth_denominator: see `RegionSwitches`.
        form: see `RegionSwitches`.
        reduction: see `RegionLoss`.

    Raises:
        ValueError: negative `iterations`, or as `RegionLoss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        iterations: int = 3,
        over: Over = "batch",
        absent: Absent = "present",
        smooth_numerator: float = 1.0,
        smooth_denominator: float = 1.0,
        form: Form = "linear",
        reduction: Reduction = "mean",
    ) -> None:
        switches = (over, absent, smooth_numerator, smooth_denominator)
        super().__init__(mode, ignore_index, class_weights, *switches, form=form, reduction=reduction)
        check_iterations(iterations)
        self.iterations = iterations
        self.needs = frozenset({"probabilities"})

    def compute(self, inputs: LossInputs) -> Tensor:
        """Centre-line Dice loss of checked inputs."""
        return centerline_dice(
            inputs,
            self.switches,
            iterations=self.iterations,
            class_weights=self.class_weights,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"iterations={self.iterations}, {super().extra_repr()}"


def check_iterations(iterations: int) -> None:
    """Raise ValueError unless an integer >= 0."""
    if not isinstance(iterations, int) or iterations < 0:
        raise ValueError(f"iterations: got {iterations}, expected an integer >= 0")


def _share(part: Tensor, whole: Tensor, switches: RegionSwitches) -> Tensor:
    return score(part + switches.smooth_numerator, whole + switches.smooth_denominator)
