"""The one interface of every loss of this package."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.arguments import autocast_off, check_choice, check_ignore_index
from litseg.losses.inputs import MODES, LossInputs

Reduction = Literal["mean", "sum", "none"]
REDUCTIONS: Final[tuple[str, ...]] = get_args(Reduction)


class Loss(nn.Module, ABC):
    """A loss on logits; a subclass writes `compute` and inherits the contract.

    `forward(logits, target, pixel_weights=None)` checks the arguments (see `LossInputs` for shapes and void pixels)
    and calls `compute` with autocast off. `CompoundLoss` calls `compute` itself, so that its terms share one
    `LossInputs`.

    Args:
        mode: "multiclass" (softmax), "binary" (sigmoid, one channel) or "multilabel" (sigmoid).
        ignore_index: the void label of integer targets.
        class_weights: one non-negative weight per class, in binary mode [background, foreground]; a buffer. Enters
            as sum(w l) / sum(w). Its length is known to be right only at the first call.
        reduction: "mean", "sum" (of what "none" returns) or "none".

    Raises:
        ValueError: an unknown mode or reduction, a void label that is a class, or weights that are not
            non-negative numbers.
    """

    needs: frozenset[str] = frozenset()
    """What `compute` reads of its inputs, see `LossInputs.want`; only speed depends on it."""

    class_weights: Tensor | None

    def __init__(
        self,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[float] | Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_choice("mode", mode, MODES)
        check_choice("reduction", reduction, REDUCTIONS)
        check_ignore_index(ignore_index, mode, channels=0)  # multiclass: known at the first call only
        self.mode: Task = mode
        self.ignore_index = ignore_index
        self.reduction: Reduction = reduction
        self.register_buffer("class_weights", per_class_tensor("class_weights", class_weights))

    def forward(self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None = None) -> Tensor:
        """Loss of a batch: a scalar, or what `reduction="none"` promises."""
        inputs = LossInputs(logits, target, pixel_weights, mode=self.mode, ignore_index=self.ignore_index)
        inputs.want(self.needs)
        with autocast_off(logits.device):
            return self.compute(inputs)

    @abstractmethod
    def compute(self, inputs: LossInputs) -> Tensor:
        """Loss of checked inputs, which other losses may share: read them, never write into them."""

    def extra_repr(self) -> str:
        """The settings that `print(loss)` shows."""
        weights = "" if self.class_weights is None else f", class_weights={self.class_weights.tolist()}"
        return f"mode={self.mode!r}, ignore_index={self.ignore_index}, reduction={self.reduction!r}{weights}"


def per_class_tensor(name: str, values: Sequence[float] | Tensor | None) -> Tensor | None:
    """Per-class numbers of a constructor as a float32 tensor.

    Raises:
        ValueError: not a flat list of finite numbers, all 0 or more.
    """
    if values is None:
        return None
    expected = "a list of one finite number >= 0 per class, or None"
    numbers = values.tolist() if isinstance(values, Tensor) else values
    if isinstance(numbers, str) or not isinstance(numbers, Sequence):
        raise ValueError(f"{name}: got {numbers!r}, expected {expected}")
    if not all(isinstance(n, int | float) and math.isfinite(n) and n >= 0 for n in numbers):
        raise ValueError(f"{name}: got {list(numbers)}, expected {expected}")
    return torch.tensor([float(n) for n in numbers], dtype=torch.float32)
