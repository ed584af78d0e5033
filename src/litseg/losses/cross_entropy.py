"""Cross-entropy: how surprised the predicted probabilities are by the target."""

from collections.abc import Sequence

from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.inputs import LOGARITHMS, LossInputs
from litseg.losses.loss import Reduction
from litseg.losses.pixelwise import PixelLoss, PixelsOver, negative_log_likelihood, reduce_pixels, weights_of_pixels


def cross_entropy(
    inputs: LossInputs,
    *,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    over: PixelsOver = "batch",
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross-entropy of softmax or sigmoid probabilities p with hard or soft targets t.

    Of one pixel, with class weights w and smoothed target t' = (1 - e) t + e / K (K classes):

        l = - sum_c w_c t'_c log p_c,    its weight  v = sum_c w_c t_c

    The mean is sum(l) / sum(v) over valid pixels, as in `torch.nn.CrossEntropyLoss` with labels (torch divides soft
    targets by the number of pixels instead; the two agree without class weights). In a sigmoid mode every channel is a
    two-class problem with its own l and v: binary cross-entropy; one channel equals a softmax over the logits (0, x).

    Source: label smoothing is Szegedy et al., Rethinking the Inception Architecture, 2016, section 7.

    Args:
        inputs: logits and target, checked.
        class_weights: w >= 0, one per class; [background, foreground] in binary mode.
        label_smoothing: e in [0, 1].
        over: "batch", or "world" for the mean over all processes, see `PixelLoss`.
        reduction: first classes, then pixels: "mean" as above; "none": l (N, *S), in multilabel mode averaged over
            channels; "sum": the sum of "none".

    Returns:
        A scalar in [0, inf), or (N, *S).

    Raises:
        ValueError: `label_smoothing` outside [0, 1], `class_weights` of another length, an unknown reduction.

    Example:
        >>> import torch
        >>> labels = torch.tensor([[[0, 255]]])
        >>> cross_entropy(LossInputs(torch.zeros(1, 4, 1, 2), labels))  # log 4; the void pixel does not count
        tensor(1.3863)
    """
    check_label_smoothing(label_smoothing)
    class_weights = inputs.check_class_vector("class_weights", class_weights)
    losses = inputs.weights * negative_log_likelihood(inputs, class_weights, label_smoothing)
    return reduce_pixels(losses, weights_of_pixels(inputs, class_weights), reduction, over)


class CrossEntropyLoss(PixelLoss):
    """Module form of `cross_entropy`; the other arguments are those of `PixelLoss`.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        label_smoothing: the share in [0, 1] of every target that is spread over all classes.
        over: see `PixelLoss`.
        reduction: see `Loss`.

    Raises:
        ValueError: `label_smoothing` outside [0, 1], or as `PixelLoss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        label_smoothing: float = 0.0,
        over: PixelsOver = "batch",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(mode, ignore_index, class_weights, over, reduction)
        check_label_smoothing(label_smoothing)
        self.label_smoothing = label_smoothing
        self.needs = frozenset() if mode == "multiclass" and label_smoothing == 0 else LOGARITHMS

    def compute(self, inputs: LossInputs) -> Tensor:
        """Cross-entropy of checked inputs."""
        return cross_entropy(
            inputs,
            class_weights=self.class_weights,
            label_smoothing=self.label_smoothing,
            over=self.over,
            reduction=self.reduction,
        )


def check_label_smoothing(label_smoothing: float) -> None:
    """Raise ValueError outside [0, 1]."""
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing: got {label_smoothing}, expected a number in [0, 1]")
