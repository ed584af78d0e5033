"""What most losses need of a softmax, in two passes over the logits and without a copy of them.

A cross-entropy reads the log-probability of every pixel's label, and a Dice loss the sums of the probabilities; neither
needs all probabilities at once. So the logits are read in chunks that stay in the processor's cache, the probabilities
of a chunk are dropped once they are counted, and computed again on the way back, where the gradient is written down in
closed form. Autograd would keep a copy of the logits' size for every step between.

Shape letters: N images, C classes, P pixels.
"""

from collections.abc import Callable, Collection, Iterator
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
        log_p = torch.empty_like(weights)
        p_squares = torch.empty_like(weights) if squares else None
        p_mass = weights.new_zeros(logits.shape[:2]) if mass else None
        p_squared_mass = weights.new_zeros(logits.shape[:2]) if squared_mass else None
        for here, z, p in _chunks(logits, weights.dtype):
            w = weights[here]
            if squares or mass or squared_mass:
                _activate(torch.softmax, z, p)
                # the largest probability keeps its digits, so it gives log sum exp z, and log p_y = z_y - log sum exp z
                log_sum = z.amax(1, keepdim=True).sub_(p.amax(1, keepdim=True).log_())
                label = z.gather(1, labels[here]).sub_(log_sum)
                _without_nan(p)
            else:
                label = _activate(torch.log_softmax, z, p).gather(1, labels[here])
            log_p[here] = label.masked_fill_(w == 0, 0.0)
            if p_mass is not None:
                p_mass[here[0]] += torch.mul(p, w, out=z).sum(2)
            if p_squares is not None or p_squared_mass is not None:
                p.square_()
            if p_squared_mass is not None:
                p_squared_mass[here[0]] += torch.mul(p, w, out=z).sum(2)
            if p_squares is not None:
                p_squares[here] = p.sum(1, keepdim=True).masked_fill_(w == 0, 0.0)
        ctx.save_for_backward(logits, labels, weights)
        ctx.set_materialize_grads(False)
        return log_p, p_squares, p_mass, p_squared_mass

    @staticmethod
    def backward(
        ctx: Any, log_p: Tensor | None, squares: Tensor | None, mass: Tensor | None, squared_mass: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """What comes in are the gradients of the results of `forward`; None where nobody used one."""
        if torch.is_grad_enabled():  # create_graph=True: the result would count as a constant
            raise RuntimeError("litseg.losses: no second derivatives; give a one-hot float target, which has them")
        logits, labels, weights = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        with autocast_off(logits.device):
            for here, z, p in _chunks(logits, weights.dtype):
                _without_nan(_activate(torch.softmax, z, p))
                per_pixel = (None if g is None else g[here] for g in (log_p, squares))
                per_class = (None if g is None else g[here[0], :, None] for g in (mass, squared_mass))
                factor = _factor(p, weights[here], z, *per_pixel, *per_class)
                out = gradient[here] if gradient.dtype == p.dtype else z  # half precision is rounded once, at the end
                torch.mul(p, factor, out=out)
                if log_p is not None:
                    out.scatter_add_(1, labels[here], log_p[here])
                if out is z:
                    gradient[here] = z
        return gradient, None, None, None, None, None


def _factor(
    p: Tensor,
    w: Tensor,
    room: Tensor,
    log_p: Tensor | None,
    squares: Tensor | None,
    mass: Tensor | None,
    squared_mass: Tensor | None,
) -> Tensor:
    """G - sum_k p_k G_k - g, where G = w mass + 2 p (w squared_mass + squares), g = log_p; `room` is written over."""
    shift = torch.zeros_like(w) if log_p is None else log_p
    if mass is not None:
        shift = torch.bmm(mass.transpose(1, 2), p).mul_(w).add_(shift)
    quadratic = None
    if squares is not None or squared_mass is not None:
        quadratic = (w * (0 if squared_mass is None else squared_mass) + (0 if squares is None else squares)) * p * 2
        shift = (quadratic * p).sum(1, keepdim=True).add_(shift)
    factor = -shift
    if mass is not None:  # of every class and pixel: a product of matrices of rank 2
        factor = torch.bmm(torch.cat([mass, torch.ones_like(mass)], 2), torch.cat([w, factor], 1), out=room)
    return factor if quadratic is None else quadratic.add_(factor)


def _chunks(logits: Tensor, dtype: torch.dtype) -> Iterator[tuple[Here, Tensor, Tensor]]:
    """Whole images where they are small, some pixels of one image where it is large.

    Yields:
        Where the chunk is, its logits, and room for its probabilities; both are written over by the next chunk, because
        fresh memory costs more time than the arithmetic.
    """
    images, classes, pixels = logits.shape
    size = max(1, (CPU_CHUNK if logits.device.type == "cpu" else OTHER_CHUNK) // classes)
    count, step = max(1, size // max(1, pixels)), min(size, max(1, pixels))
    room = torch.empty(2, min(count, images) * classes * step, dtype=dtype, device=logits.device)
    for image in range(0, images, count):
        for pixel in range(0, pixels, step):
            here = slice(image, image + count), slice(None), slice(pixel, pixel + step)
            part = logits[here]
            z, p = (_in_layout_of(part, flat[: part.numel()]) for flat in room)
            yield here, z.copy_(part), p


def _in_layout_of(part: Tensor, flat: Tensor) -> Tensor:
    """`flat` as (N, C, P), with the classes of a pixel side by side where they are in `part` (channels last)."""
    images, classes, pixels = part.shape
    if part.stride(1) == 1:
        return flat.view(images, pixels, classes).transpose(1, 2)
    return flat.view(images, classes, pixels)


def _activate(activation: Callable[..., Tensor], logits: Tensor, out: Tensor) -> Tensor:
    """Over the classes; torch would copy logits that are not contiguous."""
    if logits.is_contiguous():
        return activation(logits, 1, out=out)
    activation(logits.transpose(1, 2), 2, out=out.transpose(1, 2))
    return out


def _without_nan(p: Tensor) -> Tensor:
    """Probabilities with 0 for NaN, in place: at void pixels 0 times NaN would count; at others log p_y is NaN too."""
    return p.nan_to_num_(0.0)
