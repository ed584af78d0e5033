"""What losses that are a sum over pixels share: class weights per pixel, and the reduction."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.arguments import check_choice
from litseg.losses.inputs import LossInputs
from litseg.losses.loss import REDUCTIONS, Loss, Reduction
from litseg.losses.world import world_sum

PixelsOver = Literal["batch", "world"]
PIXELS_OVER: Final[tuple[str, ...]] = get_args(PixelsOver)


class PixelLoss(Loss):
    """A loss that is a weighted mean over pixels: `Loss` with the pixels that the mean is over.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        over: the mean is over the pixels of this process' "batch", or of the batches of all processes of a distributed
            training ("world"), in training mode only. DDP gives each process the same say, however few valid
            pixels it holds; with "world" each pixel has the same.
        reduction: see `Loss`.

    Raises:
        ValueError: an unknown `over`, or as `Loss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        over: PixelsOver = "batch",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(mode, ignore_index, class_weights, reduction)
        check_choice("over", over, PIXELS_OVER)
        self._over = over

    @property
    def over(self) -> PixelsOver:
        """What the mean is over now: "batch" in evaluation, where the processes may hold different numbers of them."""
        return self._over if self.training else "batch"

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"{super().extra_repr()}, over={self._over!r}"


def negative_log_likelihood(
    inputs: LossInputs, class_factors: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """- sum_c f_c t_c log p_c of every pixel, the surprise at the target.

    In a sigmoid mode a channel is a two-class problem of its own: - f_1 t log p - f_0 (1 - t) log(1 - p), where f is
    [background, foreground] in binary mode and the channel's factor on both sides in multilabel mode.

    Args:
        inputs: the checked arguments.
        class_factors: f, one value per class (two in binary mode); 1 where None.
        label_smoothing: e in [0, 1]: the target becomes (1 - e) t + e / K for K classes (2 in a sigmoid mode).

    Returns:
        (N, 1, *S) in multiclass mode, (N, C, *S) in the sigmoid modes.
    """
    if inputs.mode != "multiclass":
        target = (1 - label_smoothing) * inputs.target + label_smoothing / 2
        off, on = _sides(inputs, class_factors)
        return -(on * target * inputs.log_probabilities + off * (1 - target) * inputs.log_complements)
    if inputs.hard and label_smoothing == 0:  # no one-hot target is needed
        surprise = -inputs.label_log_probability
        return surprise if class_factors is None else class_factors[inputs.labels] * surprise
    classes = inputs.log_probabilities.shape[1]
    target = (1 - label_smoothing) * inputs.target + label_smoothing / classes
    terms = target * inputs.log_probabilities
    return -(terms if class_factors is None else _along_channels(class_factors, terms) * terms).sum(1, keepdim=True)


def weights_of_pixels(inputs: LossInputs, class_weights: Tensor | None = None) -> Tensor:
    """The divisor's weights: pixel weight times sum_c w_c t_c, which is w_y for a hard label y.

    Returns:
        (N, 1, *S), or (N, C, *S) where channels differ; 0 where void.
    """
    if class_weights is None:
        return inputs.weights
    if inputs.mode != "multiclass":
        off, on = _sides(inputs, class_weights)
        return inputs.weights * (on * inputs.target + off * (1 - inputs.target))
    if inputs.hard:
        return inputs.weights * class_weights[inputs.labels]
    soft = (_along_channels(class_weights, inputs.target) * inputs.target).sum(1, keepdim=True)
    return inputs.weights * soft


def reduce_pixels(losses: Tensor, weights: Tensor, reduction: Reduction, over: PixelsOver = "batch") -> Tensor:
    """Reduce weighted losses of pixels.

    Args:
        losses: w l, (N, 1, *S) or (N, C, *S) where every channel is a problem of its own; 0 where void.
        weights: w, of a shape that broadcasts to `losses`.
        reduction: "none": w l (N, *S), the mean over channels; "sum": the sum of that; "mean": sum(w l) / sum(w) over
            all entries, and 0 where no weight is left.
        over: "world" takes the sums over all processes, see `PixelLoss`.

    Raises:
        ValueError: an unknown reduction, or an unknown `over`.
    """
    check_choice("reduction", reduction, REDUCTIONS)
    check_choice("over", over, PIXELS_OVER)
    everywhere = world_sum if over == "world" else _as_it_is
    if reduction == "mean":
        total = everywhere(weights.expand_as(losses).sum())
        return everywhere(losses.sum()) / total.where(total > 0, 1.0)
    per_pixel = losses.mean(1)
    return per_pixel if reduction == "none" else everywhere(per_pixel.sum())


def _as_it_is(local: Tensor) -> Tensor:
    return local


def _sides(inputs: LossInputs, factors: Tensor | None) -> tuple[Tensor | float, Tensor | float]:
    """The factors of (target 0, target 1) in a sigmoid mode."""
    if factors is None:
        return 1.0, 1.0
    if inputs.mode == "binary":
        return factors[0], factors[1]
    per_channel = _along_channels(factors, inputs.target)
    return per_channel, per_channel


def _along_channels(vector: Tensor, like: Tensor) -> Tensor:
    return vector.view(1, -1, *[1] * (like.ndim - 2))
