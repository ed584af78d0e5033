"""Learning-rate schedules: a factor on the base rate as a function of progress, from 0 at the start to 1 at the end."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

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


def exponential(progress: float, end: float = 0.01) -> float:
    """The exponential end^progress, from 1 to `end`, which is > 0."""
    return math.pow(end, progress)


def step(progress: float, milestones: Sequence[float] = (0.5, 0.75), gamma: float = 0.1) -> float:
    """gamma^n after n of the `milestones`, which are values of progress; at a milestone it is passed."""
    return math.pow(gamma, sum(progress >= milestone for milestone in milestones))


def one_cycle(progress: float, warmup: float = 0.3, start: float = 0.04, end: float = 1e-4) -> float:
    """Cosine from `start` up to 1 during the share `warmup`, then cosine down to `end`; arXiv 1708.07120."""
    if progress < warmup:
        return 1.0 - (1.0 - start) * (1.0 + math.cos(math.pi * progress / warmup)) / 2.0
    return cosine((progress - warmup) / (1.0 - warmup), end)


FACTORS: dict[str, Callable[..., float]] = {
    "constant": constant,
    "poly": poly,
    "cosine": cosine,
    "exponential": exponential,
    "step": step,
    "one_cycle": one_cycle,
}


def factor_at(step: int, total_steps: int, warmup_steps: int, shape: Callable[[float], float]) -> float:
    """The factor on the base rate before optimizer step `step`, counted from 0.

    Args:
        step: from 0; what follows `total_steps` keeps the end value.
        total_steps: T, optimizer steps of the whole training.
        warmup_steps: w; steps 0 to w - 1 have (step + 1) / (w + 1), so that none is lost to a rate of 0.
        shape: gives the factor at progress (step - w) / (T - w) in [0, 1].
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return shape(min((step - warmup_steps) / max(total_steps - warmup_steps, 1), 1.0))


def schedule(optimizer: Optimizer, total_steps: int, shape: str, warmup_steps: float = 0, **options: Any) -> LambdaLR:
    """The scheduler, stepped once per optimizer step; its state is the number of steps, so that a resume is exact.

    Args:
        optimizer: its learning rates are the base.
        total_steps: optimizer steps of the whole training; the factor stays at its end value afterwards.
        shape: `constant`, `poly`, `cosine`, `exponential`, `step` or `one_cycle`.
        warmup_steps: linear warm-up before the shape begins: a number of steps, or below 1 a share of all.
        **options: the parameters of that function.

    Raises:
        ValueError: an unknown shape, or a warm-up below 0.
    """
    if shape not in FACTORS:
        raise ValueError(f"scheduler.shape: expected one of {sorted(FACTORS)}, got {shape!r}")
    factor = partial(FACTORS[shape], **options)
    factor(0.0)  # an unknown option is found here, not in the first step after the warm-up
    steps = warmup_length(warmup_steps, total_steps)
    return LambdaLR(optimizer, lambda step: factor_at(step, total_steps, steps, factor))


def warmup_length(warmup_steps: float, total_steps: int) -> int:
    """A warm-up in steps, given as their number or below 1 as a share of all.

    Raises:
        ValueError: it is below 0, or neither a share nor a whole number.
    """
    if warmup_steps < 0 or (warmup_steps >= 1 and warmup_steps != int(warmup_steps)):
        raise ValueError(
            f"scheduler.warmup_steps: expected a number of steps, or a share from 0 to below 1, got {warmup_steps}"
        )
    return round(warmup_steps * total_steps) if warmup_steps < 1 else int(warmup_steps)


class Plateau(LambdaLR):
    """Multiplies the rates by `factor` when a validation value has not improved for more than `patience` validations.

    The factor before each optimizer step is that of the warm-up, see `factor_at`, times factor^drops. Steps, drops,
    best value and patience used up are its state. `SegmentationModule` tells it the values of every validation before
    checkpoints of that validation are written, so that a resume from any of them is exact; torch's ReduceLROnPlateau
    is told afterwards, and has no warm-up.

    Args:
        optimizer: its learning rates are the base.
        total_steps: only a warm-up given as a share depends on it.
        monitor: the validation value, such as val/miou.
        mode: max where a larger value is better, else min.
        factor: between 0 and 1.
        patience: this many validations in a row without improvement change nothing; the next one does.
        min_delta: an improvement is larger than this.
        warmup_steps: as in `schedule`; validations during the warm-up never count as being without improvement.

    Raises:
        ValueError: an argument is outside.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        monitor: str = "val/miou",
        mode: str = "max",
        factor: float = 0.1,
        patience: int = 5,
        min_delta: float = 0.0,
        warmup_steps: float = 0,
    ) -> None:
        if mode not in ("max", "min") or not 0 < factor < 1 or patience < 0:
            raise ValueError(
                "scheduler: expected mode max or min, factor between 0 and 1 and patience of at least 0, "
                f"got {mode!r}, {factor} and {patience}"
            )
        self.monitor, self.mode = monitor, mode
        self.factor, self.patience, self.min_delta = factor, patience, min_delta
        self.warmup_steps = warmup_length(warmup_steps, total_steps)
        self.best, self.waited, self.drops = -math.inf, 0, 0
        super().__init__(optimizer, self._factor)

    def validated(self, value: float) -> None:
        """Takes the monitored value of a validation; a drop holds from the next step on. NaN is no improvement."""
        gain = value if self.mode == "max" else -value
        if gain > self.best + self.min_delta:
            self.best, self.waited = gain, 0
        elif self.last_epoch >= self.warmup_steps:
            self.waited += 1
        if self.waited > self.patience:
            self.drops, self.waited = self.drops + 1, 0
            for group, rate in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
                group["lr"] = rate * self._factor(self.last_epoch)

    def _factor(self, step: int) -> float:
        return factor_at(step, 0, self.warmup_steps, constant) * self.factor**self.drops
