"""What most losses need of a softmax, in two passes over the logits and without keeping a copy of them.

A cross-entropy reads the log-probability of every pixel's label, and a Dice loss the sums of the probabilities; neither
needs all probabilities at once. So the logits are read in chunks that stay in the processor's cache, the probabilities
of a chunk are dropped once they are counted, and computed again on the way back, where the gradient is written down in
closed form. Autograd would keep a copy of the logits' size for every step between.

Shape letters: N images, C classes, P pixels.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from litseg.losses.arguments import autocast_off

CPU_CHUNK: Final = 2**20  # elements: smaller, and calling the kernels costs more than the cache saves
OTHER_CHUNK: Final = 2**26  # elements: few kernels, and still a bound on the temporaries

LABEL_LOG_PROBABILITY, SQUARES, MASS, SQUARED_MASS = "label_log_probability", "squares", "mass", "squared_mass"
Here = tuple[slice, slice, slice]


def softmax_statistics(logits: Tensor, labels: Tensor, weights: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
    """Statistics of p = softmax(logits) that take less memory than p, differentiable once, by the logits.

    Args:
        logits: float (N, C, P); at void pixels anything, NaN too.
        labels: classes y, int64 (N, 1, P); any class where void.
        weights: w >= 0, float32 or float64 (N, 1, P), 0 where void. All results are of its dtype.
        wanted: names of the statistics that are computed besides the first.

    Returns:
        By name: `label_log_probability`, log p_y (N, 1, P), 0 where void; `squares`, sum_c p_c^2 of every pixel
        (N, 1, P), 0 where void; `mass`, sum w p over the pixels (N, C); `squared_mass`, sum w p^2 (N, C).
    """
    names = (SQUARES, MASS, SQUARED_MASS)
    with autocast_off(logits.device):
        results = _SoftmaxStatistics.apply(  # type: ignore[no-untyped-call]
            logits, labels, weights, *(name in wanted for name in names)
        )
    named = zip((LABEL_LOG_PROBABILITY, *names), results, strict=True)
    return {name: result for name, result in named if result is not None}


class _SoftmaxStatistics(torch.autograd.Function):
    """Of one pixel, G = dL/dp gives dL/dz = p (G - sum_k p_k G_k), and g = dL/dlog p_y gives g (onehot(y) - p)."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, weights: Tensor, squares: bool, mass: bool, squared_mass: bool
    ) -> tuple[Tensor | None, ...]:
        log_p, largest, total = (torch.empty_like(weights) for _ in range(3))
        p_squares = torch.empty_like(weights) if squares else None
        p_mass = weights.new_zeros(logits.shape[:2]) if mass else None
        p_squared_mass = weights.new_zeros(logits.shape[:2]) if squared_mass else None
        for here, z, room, _ in _chunks(logits, weights.dtype):
            m, w = z.amax(1, keepdim=True), weights[here]
            label = z.gather(1, labels[here]).sub_(m)
            s = _exponentials(z, m).sum(1, keepdim=True).clamp_min_(1.0)  # below 1 at void pixels alone
            log_p[here] = label.sub_(s.log()).masked_fill_(w == 0, 0.0)
            largest[here], total[here] = m, s
            if squares or mass or squared_mass:
                p = z.div_(s)
            if p_mass is not None:
                p_mass[here[0]] += torch.mul(p, w, out=room).sum(2)
            if squares or squared_mass:
                p.square_()
            if p_squared_mass is not None:
                p_squared_mass[here[0]] += torch.mul(p, w, out=room).sum(2)
            if p_squares is not None:
                p_squares[here] = p.sum(1, keepdim=True).masked_fill_(w == 0, 0.0)
        ctx.save_for_backward(logits, labels, weights, largest, total)
        ctx.set_materialize_grads(False)
        return log_p, p_squares, p_mass, p_squared_mass

    @staticmethod
    def backward(
        ctx: Any, log_p: Tensor | None, squares: Tensor | None, mass: Tensor | None, squared_mass: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """What comes in are the gradients of the results of `forward`; None where nobody used one."""
        if torch.is_grad_enabled():  # create_graph=True: the result would count as a constant
            raise RuntimeError("litseg.losses: no second derivatives; give a one-hot float target, which has them")
        logits, labels, weights, largest, total = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        with autocast_off(logits.device):
            for here, z, *rooms in _chunks(logits, weights.dtype):
                p = _exponentials(z, largest[here]).div_(total[here])
                per_pixel = (None if g is None else g[here] for g in (log_p, squares))
                per_class = (None if g is None else g[here[0], :, None] for g in (mass, squared_mass))
                p.mul_(_factor(p, weights[here], rooms, *per_pixel, *per_class))
                if log_p is not None:
                    p.scatter_add_(1, labels[here], log_p[here])
                gradient[here] = p  # half precision is rounded once, at the end
        return gradient, None, None, None, None, None


def _factor(
    p: Tensor,
    w: Tensor,
    rooms: Sequence[Tensor],
    log_p: Tensor | None,
    squares: Tensor | None,
    mass: Tensor | None,
    squared_mass: Tensor | None,
) -> Tensor:
    """G - sum_k p_k G_k - g, where G = w mass + 2 p (w squared_mass + squares), g = log_p; `rooms` are written over."""
    shift = torch.zeros_like(w) if log_p is None else log_p
    if squares is None and squared_mass is None:
        if mass is None:
            return -shift
        shift = torch.mul(p, mass, out=rooms[0]).sum(1, keepdim=True).mul_(w).add_(shift)
        return torch.addcmul(shift.neg_(), w, mass, out=rooms[0])
    quadratic = w * (0 if squared_mass is None else squared_mass) + (0 if squares is None else squares)
    slope = torch.mul(p, quadratic.mul_(2), out=rooms[0])
    if mass is not None:
        slope.addcmul_(w, mass)
    return slope.sub_(torch.mul(p, slope, out=rooms[1]).sum(1, keepdim=True).add_(shift))


def _chunks(logits: Tensor, dtype: torch.dtype) -> Iterator[tuple[Here, Tensor, Tensor, Tensor]]:
    """Whole images where they are small, some pixels of one image where it is large.

    Yields:
        Where the chunk is, a copy of its logits (N, C, P), in which the pixels of a class are side by side whatever the
        layout of `logits` (torch is several times slower along a short row of classes), and room for two more; all
        are written over by the next chunk, because fresh memory costs more time than the arithmetic.
    """
    images, classes, pixels = logits.shape
    size = max(1, (CPU_CHUNK if logits.device.type == "cpu" else OTHER_CHUNK) // classes)
    count, step = max(1, size // max(1, pixels)), min(size, max(1, pixels))
    rooms = torch.empty(3, min(count, images) * classes * step, dtype=dtype, device=logits.device)
    for image in range(0, images, count):
        for pixel in range(0, pixels, step):
            here = slice(image, image + count), slice(None), slice(pixel, pixel + step)
            part = logits[here]
            z, first, second = (room[: part.numel()].view(part.shape) for room in rooms)
            yield here, z.copy_(part), first, second


def _exponentials(z: Tensor, largest: Tensor) -> Tensor:
    """exp(z - largest), written over z; 0 for NaN, which 0 times would count at void pixels (at others log p_y is NaN).

    On a CPU torch takes a third of the time for a power of 2 that it takes for one of e.
    """
    return z.sub_(largest).mul_(1 / math.log(2)).exp2_().nan_to_num_(0.0)
