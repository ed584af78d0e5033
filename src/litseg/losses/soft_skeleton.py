"""Centre lines of soft regions, by erosion and dilation, which see the pixels beside each pixel."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def soft_skeleton(image: Tensor, valid: Tensor, iterations: int) -> Tensor:
    """What is lost when an image is eroded `iterations` times and opened each time: its thin parts and centre lines.

    Erosion takes the smallest value of a pixel and its neighbours along every axis, dilation the largest of the 3 x 3
    pixels around it (3 in 1-D, 27 in 3-D), an opening both in turn. With e_0 the image, e_j the j times eroded one,

        d_j = max(0, e_j - dilated e_(j+1)),    S = 1 - prod_j (1 - d_j),    j = 0 .. iterations

    A shape wider than 2 iterations + 2 has not come down to its centre line yet. Void pixels and those beyond the
    margin take no part.

    Source: Shit et al., clDice, 2021, algorithm 1.

    Args:
        image: (N, C, *S) in [0, 1].
        valid: bool, broadcast to it.
        iterations: >= 0.

    Returns:
        (N, C, *S) in [0, 1]; at void pixels any number.

    Example:
        >>> bar = torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0]).view(1, 1, 5)
        >>> soft_skeleton(bar, bar >= 0, 1)
        tensor([[[0., 0., 1., 0., 0.]]])
    """
    skeleton = torch.zeros_like(image)
    axes = tuple(range(2, image.ndim))
    for _ in range(iterations + 1):
        eroded = -_largest(-image.where(valid, 1.0), axes)  # 1 and 0 are neutral in a minimum and a maximum
        opened = eroded.where(valid, 0.0)
        for axis in axes:
            opened = _largest(opened, (axis,))
        lost = (image - opened).relu()
        skeleton = skeleton + lost * (1 - skeleton)
        image = eroded
    return skeleton


def _largest(image: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The largest of a pixel and its two neighbours along each of `axes`."""
    if not torch.compiler.is_compiling():
        result: Tensor = _Largest.apply(image, axes)  # type: ignore[no-untyped-call]
        return result
    largest = image
    for axis in axes:  # a compiler fuses this itself
        margin = [0, 0] * (image.ndim - 1 - axis) + [1, 1]
        wider = F.pad(image, margin, value=-torch.inf)
        for start in (0, 2):
            largest = torch.maximum(largest, wider.narrow(axis, start, image.shape[axis]))
    return largest


class _Largest(torch.autograd.Function):
    """Equal pixels share the gradient. On a CPU several times as fast as max pooling and its way back."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, axes: tuple[int, ...]) -> Tensor:
        largest = image.clone()
        for here, beside in _neighbours(axes):
            torch.maximum(largest[here], image[beside], out=largest[here])
        ctx.save_for_backward(image, largest)
        ctx.axes = axes
        return largest

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        image, largest = (saved.detach() for saved in ctx.saved_tensors)
        neighbours = _neighbours(ctx.axes)
        result = _equal(image, largest)
        chosen = [_equal(image[beside], largest[here]) for here, beside in neighbours]
        ties = result.clone()
        for (here, _), there in zip(neighbours, chosen, strict=True):
            ties[here].add_(there)
        share = gradient / ties
        result.mul_(share)
        for (here, beside), there in zip(neighbours, chosen, strict=True):
            result[beside].addcmul_(share[here], there)
        return result, None


def _equal(first: Tensor, second: Tensor) -> Tensor:
    """1 where equal, else 0; without the detour over booleans, which costs more than all the rest."""
    return torch.eq(first, second, out=torch.empty_like(first, memory_format=torch.contiguous_format))


def _neighbours(axes: tuple[int, ...]) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """For every direction, where the pixels with a neighbour in it are, and where those neighbours are."""
    pairs = []
    for axis in axes:
        leading = (slice(None),) * axis
        first, second = (*leading, slice(None, -1)), (*leading, slice(1, None))
        pairs += [(first, second), (second, first)]
    return pairs
