"""Lovasz loss: the Jaccard index itself, made piecewise linear in the errors of the pixels."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.arguments import check_choice
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.ordered_bits import ordered_bits
from litseg.losses.overlap import Overlap
from litseg.losses.region import Absent, RegionLoss, RegionSwitches, channel_weights, reduce_regions

LovaszErrors = Literal["probability", "hinge"]
LovaszOver = Literal["image", "batch"]
ERRORS: Final[tuple[str, ...]] = get_args(LovaszErrors)
LOVASZ_OVERS: Final[tuple[str, ...]] = get_args(LovaszOver)
CPU_CHUNK: Final = 2**21  # elements sorted at once: some rows for every thread, and temporaries that are reused
OTHER_CHUNK: Final = 2**26


def lovasz(
    inputs: LossInputs,
    *,
    errors: LovaszErrors = "probability",
    over: LovaszOver = "batch",
    absent: Absent = "present",
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Lovasz extension of the Jaccard loss, at the errors of the pixels.

    Were the pixels M of a class wrong and all others right, its Jaccard loss would be, with weights w and target t,

        J(M) = sum_M w / (sum w t + sum_M w (1 - t))

    With the pixels 1, 2, ... from the largest error e to the smallest, the loss of the class is

        l = sum_i e_i (J({1..i}) - J({1..i-1}))

    which is J where errors are 0 or 1, and convex in e. A weight is a number of pixels. Soft targets need no other
    formula: J stays submodular, and l = 0 only at p = t. Of logit z and probability p, the error e of a pixel is

        probability:  |t - p|, the Lovasz softmax; in a sigmoid mode of every channel
        hinge:        max(0, 1 - (2 t - 1) z), the Lovasz hinge of a sigmoid mode; for t of 0 and 1

    Source: Berman, Triki, Blaschko, The Lovasz-Softmax loss, 2018, eq. 8 to 11 and algorithm 1. Equal to it for hard
    labels without weights; the other slopes come from the same J. There an image is counted on its own and its
    missing classes left out: over="image".

    Args:
        inputs: logits and target, checked. In binary mode the foreground is the only class.
        errors: what is sorted.
        over: sort and count the pixels of every "image" on its own, or of the "batch" together.
        absent: what a class without a target pixel does, see `RegionSwitches`; its l is its largest error.
        class_weights: >= 0, one per class; [background, foreground] in binary mode, where they cancel in the mean.
        reduction: first classes, then images, see `reduce_regions`.

    Returns:
        A scalar in [0, 1], with hinge errors in [0, inf), or (N,) for over="image", else (C,).

    Raises:
        ValueError: hinge errors in multiclass mode, another `over`, `absent` or `reduction`, `class_weights` of another
            length.

    Example:
        >>> labels = torch.tensor([[[0, 1]]])
        >>> lovasz(LossInputs(torch.zeros(1, 2, 1, 2), labels))  # of each class both errors are 0.5 and J({1, 2}) = 1
        tensor(0.5000)
    """
    check_lovasz(inputs.mode, errors, over)
    switches = RegionSwitches(over=over, absent=absent)
    target, weights = inputs.target.flatten(2), inputs.weights.flatten(2)
    wrong = _errors(inputs, errors).flatten(2)
    losses = (wrong * _slopes(wrong, target, weights, over)).sum(2)
    truth, weight = (target * weights).sum(2), weights.sum(2)
    if over == "batch":
        losses, truth, weight = losses.sum(0), truth.sum(0), weight.sum(0)
    counts = Overlap(shared=truth, predicted=truth, truth=truth, weight=weight)  # only the last two are read
    return reduce_regions(1 - losses, counts, switches, channel_weights(inputs, class_weights), reduction)


def _errors(inputs: LossInputs, errors: LovaszErrors) -> Tensor:
    if errors == "hinge":
        return (1 - (2 * inputs.target - 1) * inputs.logits).relu()
    return (inputs.target - inputs.probabilities).abs()


@torch.no_grad()
def _slopes(errors: Tensor, target: Tensor, weights: Tensor, over: LovaszOver) -> Tensor:
    """What the loss of a class grows by per error of each pixel (N, C, P); constant while the order stays.

    A few classes at a time, because sorting needs several times the memory of what it sorts.
    """
    images, classes, pixels = errors.shape
    chunk = CPU_CHUNK if errors.device.type == "cpu" else OTHER_CHUNK
    step = max(1, chunk // max(1, images * pixels))
    weights, slopes = weights.expand_as(errors), torch.empty_like(errors)
    for first in range(0, classes, step):
        some = slice(first, first + step)
        e, t, w = (_in_regions(tensor[:, some], over) for tensor in (errors, target, weights))
        order = ordered_bits(e).sort(-1, descending=True).indices
        steps = _jaccard_steps(t.gather(-1, order), w.gather(-1, order))
        in_place = torch.empty_like(steps).scatter_(-1, order, steps)
        if over == "batch":
            in_place = in_place.view(-1, images, pixels).transpose(0, 1)
        slopes[:, some] = in_place
    return slopes


def _in_regions(tensor: Tensor, over: LovaszOver) -> Tensor:
    """The pixels that are sorted together along the last axis: (N, C, P), or (C, N P) over the batch."""
    return tensor if over == "image" else tensor.transpose(0, 1).flatten(1)


def _jaccard_steps(t: Tensor, w: Tensor) -> Tensor:
    """J({1..i}) - J({1..i-1}) along the last axis, as one fraction: the difference would lose its digits.

    With a the weight and h the target's weight before pixel i, G the whole target's, and union u = G + a - h before it:

        w_i (G - h + t_i a) / (u (u + w_i (1 - t_i))),    the first of an empty target is 1
    """
    shared = t * w
    hits, seen = shared.cumsum(-1), w.cumsum(-1)
    whole = hits[..., -1:]
    union = (seen - hits).add_(whole)
    before = (union - w).add_(shared)
    numerator = (seen.sub_(w).mul_(t)).add_(whole - hits).add_(shared).clamp_min_(0.0)
    return torch.where(before > 0, numerator.div_(before) * w.div(union), (w > 0).to(w.dtype))


class LovaszLoss(RegionLoss):
    """Module form of `lovasz`; the other arguments are those of `RegionLoss`, which has more.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        errors: "probability", or "hinge" in a sigmoid mode.
        over: "image" or "batch"; not "world", as sorting needs all pixels in one place.
        absent: see `RegionSwitches`.
        reduction: see `RegionLoss`.

    Raises:
        ValueError: hinge errors in multiclass mode, over="world", or as `RegionLoss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        errors: LovaszErrors = "probability",
        over: LovaszOver = "batch",
        absent: Absent = "present",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(mode, ignore_index, class_weights, over, absent, reduction=reduction)
        check_lovasz(mode, errors, over)
        self.errors: LovaszErrors = errors
        self.over: LovaszOver = over
        self.needs = frozenset({"probabilities"}) if errors == "probability" else frozenset()

    def compute(self, inputs: LossInputs) -> Tensor:
        """Lovasz loss of checked inputs."""
        return lovasz(
            inputs,
            errors=self.errors,
            over=self.over,
            absent=self.switches.absent,
            class_weights=self.class_weights,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"errors={self.errors!r}, {super().extra_repr()}"


def check_lovasz(mode: Task, errors: LovaszErrors, over: LovaszOver) -> None:
    """Raise ValueError on an unknown choice, or one that the mode does not have."""
    check_choice("errors", errors, ERRORS)
    check_choice("over", over, LOVASZ_OVERS)
    if errors == "hinge" and mode == "multiclass":
        raise ValueError("errors: got 'hinge' in multiclass mode, expected 'probability', or a sigmoid mode")
