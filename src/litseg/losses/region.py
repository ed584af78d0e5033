"""What losses on overlapping regions (Dice, Jaccard, ...) share: five switches, the soft counts, the reduction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.arguments import check_choice
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import REDUCTIONS, Loss, Reduction
from litseg.losses.overlap import Over, Overlap
from litseg.losses.softmax_statistics import MASS, SQUARED_MASS

Absent = Literal["present", "all", "zero"]
Form = Literal["linear", "log", "log_cosh"]
OVERS: Final[tuple[str, ...]] = get_args(Over)
ABSENTS: Final[tuple[str, ...]] = get_args(Absent)
FORMS: Final[tuple[str, ...]] = get_args(Form)
SMALLEST_SCORE: Final = 1e-7


@dataclass(frozen=True, kw_only=True)
class RegionSwitches:
    """The choices in which the region losses of the literature differ.

    Args:
        over: what one count is summed over: every "image" on its own, all pixels of the "batch", or of the batches of
            all processes of a distributed training ("world"; the loss is then the one of the joined batch, and so is
            the gradient after DDP's averaging).
        absent: a class without a valid pixel in the target leaves the mean over classes ("present"), counts in it with
            the loss it has ("all"), or counts in it as 0 ("zero").
        smooth_numerator: added to the numerator of the score, >= 0.
        smooth_denominator: added to its denominator, >= 0.
        power: the exponent k of probabilities and targets in the counts, 1 or 2.
        form: what the loss of a class is of its score s: 1 - s ("linear"), - log s ("log"; s counts as at least 1e-7),
            or log cosh(1 - s) ("log_cosh"). Source of the last: Jadon, A Survey of Loss Functions for Semantic
            Segmentation, 2020.

    Raises:
        ValueError: a value other than these.
    """

    over: Over = "batch"
    absent: Absent = "present"
    smooth_numerator: float = 0.0
    smooth_denominator: float = 0.0
    power: Literal[1, 2] = 1
    form: Form = "linear"

    def __post_init__(self) -> None:
        check_choice("over", self.over, OVERS)
        check_choice("absent", self.absent, ABSENTS)
        check_choice("power", self.power, (1, 2))
        check_choice("form", self.form, FORMS)
        for name in ("smooth_numerator", "smooth_denominator"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected a number >= 0")


def loss_of_score(scores: Tensor, form: Form) -> Tensor:
    """1 - s, - log s or log cosh(1 - s), each 0 for s = 1."""
    if form == "log":
        return -scores.clamp_min(SMALLEST_SCORE).log()
    return 1 - scores if form == "linear" else (1 - scores).cosh().log()


def reduce_regions(
    scores: Tensor, counts: Overlap, switches: RegionSwitches, class_weights: Tensor | None, reduction: Reduction
) -> Tensor:
    """Turn the scores of classes into a loss: first over classes, sum(w l) / sum(w), then over images.

    Args:
        scores: (N, C) or (C,), 1 for a perfect class.
        counts: the counts they were computed from.
        switches: how; a class (of an image) without a valid pixel has loss 0.
        class_weights: w, one per channel.
        reduction: over="image": "none" is the mean over classes of every image (N,), "mean" the mean over images
            (without images where no class counts), "sum" the sum. Otherwise "none" is w l of every class (C,), 0
            for a class out of the mean, "sum" the sum, "mean" sum(w l) / sum(w).

    Raises:
        ValueError: an unknown reduction.
    """
    check_choice("reduction", reduction, REDUCTIONS)
    weights, losses = _class_weights(loss_of_score(scores, switches.form), counts, switches.absent, class_weights)
    losses = losses * weights
    if switches.over == "image":
        total = weights.sum(1)
        losses = losses.sum(1) / total.where(total > 0, 1.0)
        weights = (total > 0).to(losses.dtype)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    total = weights.sum()
    return losses.sum() / total.where(total > 0, 1.0)


class RegionLoss(Loss):
    """A loss on regions: `Loss` with the switches of `RegionSwitches`.

    In binary mode the foreground is the only class, so `class_weights` cancel in the mean. over="world" holds in
    training mode; in evaluation, where processes may hold different numbers of batches, it means "batch".

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        over: see `RegionSwitches`.
        absent: see `RegionSwitches`.
        smooth_numerator: see `RegionSwitches`.
        smooth_denominator: see `RegionSwitches`.
        power: see `RegionSwitches`.
        form: see `RegionSwitches`.
        reduction: "mean" or "sum" to a scalar, "none" to (N,) for over="image", else (C,).

    Raises:
        ValueError: as `RegionSwitches` and `Loss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        over: Over = "batch",
        absent: Absent = "present",
        smooth_numerator: float = 0.0,
        smooth_denominator: float = 0.0,
        power: Literal[1, 2] = 1,
        form: Form = "linear",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(mode, ignore_index, class_weights, reduction)
        self._switches = RegionSwitches(
            over=over,
            absent=absent,
            smooth_numerator=smooth_numerator,
            smooth_denominator=smooth_denominator,
            power=power,
            form=form,
        )
        self.needs = frozenset({SQUARED_MASS if power == 2 else MASS})

    @property
    def switches(self) -> RegionSwitches:
        """The switches as they hold now."""
        return (
            self._switches if self.training or self._switches.over != "world" else replace(self._switches, over="batch")
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"{super().extra_repr()}, {self._switches}"


def channel_weights(inputs: LossInputs, class_weights: Tensor | None) -> Tensor | None:
    """Class weights of the channels that regions are counted in: in binary mode the foreground's alone."""
    vector = inputs.check_class_vector("class_weights", class_weights)
    return vector[1:] if vector is not None and inputs.mode == "binary" else vector


def _class_weights(
    losses: Tensor, counts: Overlap, absent: Absent, class_weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Weights of the classes, and their losses with the absent ones as `absent` says."""
    weights = torch.ones_like(losses) if class_weights is None else class_weights.expand_as(losses)
    present = counts.truth > 0
    if absent == "present":
        weights = weights * present
    # smoothing would give a loss to a region without a valid pixel
    return weights, losses.where(present if absent == "zero" else counts.weight > 0, 0.0)
