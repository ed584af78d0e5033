"""Learning-rate schedules: a factor on the base rate as a function of progress, from 0 at the start to 1 at the end."""

import math
from collections.abc import Callable
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def constant(progress: float) -> float:
    """1 throughout."""
    del progress
    return 1.0


def poly(progress: float, power: float = 0.9, end: float = 0.0) -> float:
    """The polynomial end + (1 - end) (1 - progress)^power; DeepLab, arXiv 1606.00915, section 4.1."""
    return end + (1.0 - end) * math.pow(1.0 - progress, power)


def cosine(progress: float, end: float = 0.0) -> float:
    """Half a cosine from 1 to `end`; SGDR without restarts, arXiv 1608.03983, equation 5."""
    return end + (1.0 - end) * (1.0 + math.cos(math.pi * progress)) / 2.0


def one_cycle(progress: float, warmup: float = 0.3, start: float = 0.04, end: float = 1e-4) -> float:
    """Cosine from `start` up to 1 during the share `warmup`, then cosine down to `end`; arXiv 1708.07120."""
    if progress < warmup:
        return 1.0 - (1.0 - start) * (1.0 + math.cos(math.pi * progress / warmup)) / 2.0
    return cosine((progress - warmup) / (1.0 - warmup), end)


FACTORS: dict[str, Callable[..., float]] = {
    "constant": constant,
    "poly": poly,
    "cosine": cosine,
    "one_cycle": one_cycle,
}


def schedule(optimizer: Optimizer, total_steps: int, shape: str, **options: float) -> LambdaLR:
    """The scheduler, stepped once per optimizer step.

    Args:
        optimizer: its learning rates are the base.
        total_steps: optimizer steps of the whole training; the factor stays at its end value afterwards.
        shape: `constant`, `poly`, `cosine` or `one_cycle`.
        **options: the parameters of that function.

    Raises:
        ValueError: an unknown shape.
    """
    if shape not in FACTORS:
        raise ValueError(f"scheduler.shape: expected one of {sorted(FACTORS)}, got {shape!r}")
    factor = partial(FACTORS[shape], **options)
    return LambdaLR(optimizer, lambda step: factor(min(step / max(total_steps, 1), 1.0)))
