"""What losses that are a sum over pixels share: class weights per pixel, and the reduction."""

from torch import Tensor

from litseg.losses.inputs import LossInputs, check_choice
from litseg.losses.loss import REDUCTIONS, Reduction


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
        surprise = -inputs.log_probabilities.gather(1, inputs.labels)
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


def reduce_pixels(losses: Tensor, weights: Tensor, reduction: Reduction) -> Tensor:
    """Reduce weighted losses of pixels.

    Args:
        losses: w l, (N, 1, *S) or (N, C, *S) where every channel is a problem of its own; 0 where void.
        weights: w, of a shape that broadcasts to `losses`.
        reduction: "none": w l (N, *S), the mean over channels; "sum": the sum of that; "mean": sum(w l) / sum(w) over
            all entries, and 0 where no weight is left.

    Raises:
        ValueError: an unknown reduction.
    """
    check_choice("reduction", reduction, REDUCTIONS)
    if reduction == "mean":
        total = weights.expand_as(losses).sum()
        return losses.sum() / total.where(total > 0, 1.0)
    per_pixel = losses.mean(1)
    return per_pixel if reduction == "none" else per_pixel.sum()


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
