"""Weights of a compound's terms that change over training, as functions of its progress from 0 to 1.

They are no dataclasses: OmegaConf would turn an instance into a config before `CompoundLoss` gets it.
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import final


class WeightSchedule(ABC):
    """What a term of `CompoundLoss` may have in place of a constant weight."""

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """The weight, a finite number >= 0, at `progress` in [0, 1]."""

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class Ramp(WeightSchedule):
    """From `start` to `end` between the shares `begin` and `finish` of training; constant before and after.

    Raises:
        ValueError: a weight that is not a finite number >= 0, or not 0 <= begin < finish <= 1.
    """

    def __init__(self, start: float, end: float, begin: float = 0.0, finish: float = 1.0) -> None:
        self.start, self.end = check_weight("start", start), check_weight("end", end)
        if not 0 <= begin < finish <= 1:
            raise ValueError(f"begin, finish: got {begin!r}, {finish!r}, expected 0 <= begin < finish <= 1")
        self.begin, self.finish = begin, finish

    def done(self, progress: float) -> float:
        """The share in [0, 1] of the way that is behind."""
        return min(max((progress - self.begin) / (self.finish - self.begin), 0.0), 1.0)


@final
class Linear(Ramp):
    """A straight line, see `Ramp`.

    Example:
        >>> [Linear(1.0, 0.0, finish=0.5)(progress) for progress in (0.0, 0.25, 0.5, 1.0)]
        [1.0, 0.5, 0.0, 0.0]
    """

    def __call__(self, progress: float) -> float:
        """(1 - done) start + done end."""
        done = self.done(progress)
        return (1.0 - done) * self.start + done * self.end


@final
class Cosine(Ramp):
    """Half a cosine, see `Ramp`.

    Example:
        >>> [round(Cosine(1.0, 0.0)(progress), 4) for progress in (0.0, 0.25, 0.5, 1.0)]  # (1 + cos(pi / 4)) / 2
        [1.0, 0.8536, 0.5, 0.0]
    """

    def __call__(self, progress: float) -> float:
        """A start + (1 - a) end, a = (1 + cos(pi done)) / 2."""
        left = (1.0 + math.cos(math.pi * self.done(progress))) / 2.0
        return left * self.start + (1.0 - left) * self.end


@final
class Step(WeightSchedule):
    """One of `values` after another: the first until `at[0]`, the second from there until `at[1]`, and so on.

    Args:
        values: the weights.
        at: shares of training at which the next one begins, rising, one less than `values`.

    Raises:
        ValueError: a weight below 0 or not finite, shares that do not rise within (0, 1), or another number of them.

    Example:
        >>> [Step([1.0, 0.5, 0.0], at=[0.5, 0.75])(progress) for progress in (0.0, 0.5, 1.0)]
        [1.0, 0.5, 0.0]
    """

    def __init__(self, values: Sequence[float], at: Sequence[float]) -> None:
        self.values = [check_weight(f"values[{index}]", value) for index, value in enumerate(values)]
        self.at = list(at)
        bounds = [0.0, *self.at, 1.0]
        if len(self.values) != len(self.at) + 1 or any(a >= b for a, b in pairwise(bounds)):
            expected = f"{len(self.values) - 1} shares of training, one less than values, rising within (0, 1)"
            raise ValueError(f"at: got {self.at}, expected {expected}")

    def __call__(self, progress: float) -> float:
        """The weight at `progress`."""
        return self.values[bisect_right(self.at, progress)]


def check_weight(name: str, weight: object) -> float:
    """The weight as a float.

    Raises:
        ValueError: it is not a finite number >= 0.
    """
    if not isinstance(weight, int | float) or not math.isfinite(weight) or weight < 0:
        raise ValueError(f"{name}: got the weight {weight!r}, expected a finite number >= 0")
    return float(weight)
