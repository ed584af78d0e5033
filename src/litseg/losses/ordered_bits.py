"""Non-negative floats as integers of the same order, which sort faster and can be searched bit by bit."""

import torch
from torch import Tensor


def ordered_bits(values: Tensor) -> Tensor:
    """The bits of |values|, float32 or float64, as integers that are ordered as |values| are; NaN is the largest.

    Example:
        >>> ordered_bits(torch.tensor([2.0, -0.0, 0.5])).argsort()
        tensor([1, 2, 0])
    """
    # the absolute value clears the sign bit, of -0 too
    return values.detach().abs().view(torch.int64 if values.dtype == torch.float64 else torch.int32)
