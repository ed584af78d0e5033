"""Online hard example mining: the cross-entropy of the pixels that are predicted worst."""

import math
from collections.abc import Sequence
from typing import Final, Literal, get_args

import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.arguments import check_choice
from litseg.losses.inputs import LOGARITHMS, LossInputs
from litseg.losses.loss import Loss, Reduction
from litseg.losses.ordered_bits import ordered_bits
from litseg.losses.pixelwise import negative_log_likelihood, reduce_pixels, weights_of_pixels

OhemOver = Literal["image", "batch"]
OHEM_OVERS: Final[tuple[str, ...]] = get_args(OhemOver)


def ohem_cross_entropy(
    inputs: LossInputs,
    *,
    share: float = 0.25,
    threshold: float | None = None,
    over: OhemOver = "batch",
    class_weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross-entropy of the hardest valid pixels.

    Pixels are ranked by their cross-entropy without class weights. The hardest are kept until they make up `share` of
    the valid pixels' weight; where `threshold` is given, so are all pixels whose label has a probability below it
    (exp(- cross-entropy) for a soft target). The mean is sum(k l) / sum(k v) with l and v of `cross_entropy` and k = 1
    where kept. The last pixel is kept with the fraction k that is needed, and pixels of the same loss share what they
    are kept with, so that a pixel of weight 2 is two pixels, their order changes nothing, and one valid pixel alone
    gives its own loss. share = 1 is `cross_entropy`.

    In multilabel mode every entry is a pixel of its own, ranked with those of all channels.

    Source: Shrivastava, Gupta, Girshick, Training Region-based Object Detectors with Online Hard Example Mining, 2016;
    of pixels: Wu, Shen, van den Hengel, Bridging Category-level and Instance-level Semantic Image Segmentation, 2016,
    section 3.2.1.

    Args:
        inputs: logits and target, checked.
        share: in (0, 1]: the share of the valid pixels that is kept, or, with a threshold, the least share.
        threshold: a probability in (0, 1], or None.
        over: rank the pixels of every "image" on its own, or of the "batch" together. The mean is over all kept pixels.
        class_weights: w >= 0, one per class; [background, foreground] in binary mode.
        reduction: as `cross_entropy`, after the losses of pixels were multiplied by k: "none" is 0 where not kept.

    Returns:
        A scalar in [0, inf), or (N, *S).

    Raises:
        ValueError: a number outside its range, another `over` or `reduction`, `class_weights` of another length.

    Example:
        >>> logits = torch.tensor([[[[0.0, 9.0]], [[0.0, 0.0]]]])
        >>> ohem_cross_entropy(LossInputs(logits, torch.tensor([[[0, 0]]])), share=0.5)  # log 2, of the first pixel
        tensor(0.6931)
    """
    check_ohem(share, threshold, over)
    class_weights = inputs.check_class_vector("class_weights", class_weights)
    surprise = negative_log_likelihood(inputs)
    kept = _kept(surprise, inputs.weights.expand_as(surprise), share, threshold, over)
    losses = surprise if class_weights is None else negative_log_likelihood(inputs, class_weights)
    weights = kept * weights_of_pixels(inputs, class_weights)
    return reduce_pixels(kept * inputs.weights * losses, weights, reduction)


@torch.no_grad()
def _kept(losses: Tensor, weights: Tensor, share: float, threshold: float | None, over: OhemOver) -> Tensor:
    """The part of every pixel that is kept, in [0, 1]."""
    regions = losses.shape[0] if over == "image" else 1
    bits, w = ordered_bits(losses).reshape(regions, -1), weights.reshape(regions, -1)
    wanted = share * w.sum(1, keepdim=True)
    cutoff = _cutoff(bits, w, wanted)
    harder, equal = bits > cutoff, bits == cutoff
    tied = (w * equal).sum(1, keepdim=True)
    fraction = ((wanted - (w * harder).sum(1, keepdim=True)) / tied.where(tied > 0, 1.0)).clamp(0.0, 1.0)
    kept = torch.where(harder, 1.0, fraction * equal).view_as(losses)
    return kept if threshold is None else torch.where(losses > -math.log(threshold), 1.0, kept)


def _cutoff(bits: Tensor, weights: Tensor, wanted: Tensor) -> Tensor:
    """The largest number in `bits` (R, P) that leaves the weight `wanted` at or above it, found bit by bit (R, 1).

    Sorting would take longer than the cross-entropy itself, and how many pixels are needed is not known on the host.
    """
    cutoff = torch.zeros_like(wanted, dtype=bits.dtype)
    for place in reversed(range(torch.iinfo(bits.dtype).bits - 1)):
        higher = cutoff | (1 << place)
        enough = (weights * (bits >= higher)).sum(1, keepdim=True) >= wanted
        cutoff = torch.where(enough, higher, cutoff)
    return cutoff


class OhemCrossEntropyLoss(Loss):
    """Module form of `ohem_cross_entropy`.

    Args:
        mode: see `Loss`.
        ignore_index: see `Loss`.
        class_weights: see `Loss`.
        share: the (least) share of the valid pixels that is kept, in (0, 1].
        threshold: pixels whose label has a probability below it are kept too; None: no others.
        over: "image" or "batch"; not "world", as ranking needs all pixels in one place.
        reduction: see `Loss`.

    Raises:
        ValueError: a number outside its range, over="world", or as `Loss`.
    """

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        share: float = 0.25,
        threshold: float | None = None,
        over: OhemOver = "batch",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(mode, ignore_index, class_weights, reduction)
        check_ohem(share, threshold, over)
        self.share, self.threshold = share, threshold
        self.over: OhemOver = over
        self.needs = frozenset() if mode == "multiclass" else LOGARITHMS

    def compute(self, inputs: LossInputs) -> Tensor:
        """Cross-entropy of the hardest of checked inputs."""
        return ohem_cross_entropy(
            inputs,
            share=self.share,
            threshold=self.threshold,
            over=self.over,
            class_weights=self.class_weights,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        return f"share={self.share}, threshold={self.threshold}, over={self.over!r}, {super().extra_repr()}"


def check_ohem(share: float, threshold: float | None, over: OhemOver) -> None:
    """Raise ValueError on a number outside its range or an unknown choice."""
    if not 0 < share <= 1:
        raise ValueError(f"share: got {share}, expected a number in (0, 1]")
    if threshold is not None and not 0 < threshold <= 1:
        raise ValueError(f"threshold: got {threshold}, expected a number in (0, 1], or None")
    check_choice("over", over, OHEM_OVERS)
