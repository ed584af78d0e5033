"""What every loss computes from: checked arguments, and activations that are computed once and shared.

Shape letters: N images, C channels, *S the spatial sizes (H, W for images).
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final, Generic, TypeVar, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from litseg.labels import IGNORE_INDEX, Task
from litseg.losses.arguments import (
    check_choice,
    check_ignore_index,
    check_logits,
    check_pixel_weights,
    check_target,
)
from litseg.losses.softmax_statistics import LABEL_LOG_PROBABILITY, MASS, SQUARED_MASS, SQUARES, softmax_statistics

MODES: Final[tuple[str, ...]] = get_args(Task)
LOGARITHMS: Final = frozenset({"log_probabilities"})
ALL_PROBABILITIES: Final = LOGARITHMS | {"probabilities"}
BLOCK: Final = 1024  # pixels that add up in one place: on a GPU, more would wait for each other
Result = TypeVar("Result")


class _kept(Generic[Result]):  # noqa: N801  # read as a decorator
    """`functools.cached_property` without the lock of Python 3.11, which torch.compile cannot trace."""

    def __init__(self, compute: Callable[[Any], Result]) -> None:
        self.compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self.name = name

    def __get__(self, inputs: Any, _owner: type) -> Result:
        value = self.compute(inputs)
        setattr(inputs, self.name, value)  # found before this descriptor from now on
        return value


class LossInputs:
    """The arguments of a loss, checked once; everything derived from them is computed on first use and kept.

    Several losses that read the same object share its work. What most of them need of a softmax with integer labels
    (`label_log_probability`, `mass`, ...) takes two passes over the logits and no copy of them, see
    `softmax_statistics`, unless a loss wants all probabilities anyway; `want` says so first. Numbers are float32
    (float64 stays float64). Void pixels are neutral in everything offered here: their logits and targets read 0,
    whatever stood there (inf and NaN too), and their weight is 0, so a sum over weights times anything leaves them out
    of the value and of the gradient. The tensors passed in are never changed.

    A pixel is void where an integer target equals `ignore_index` or where its pixel weight is 0.

    Args:
        logits: raw scores, float (N, C, *S); C is 1 in binary mode.
        target: integer labels (N, *S), in multilabel mode (N, C, *S) of 0 and 1; or float (N, C, *S): soft targets
            in [0, 1], summing to 1 over C in multiclass mode.
        pixel_weights: non-negative (N, *S), or (N, C, *S) in the sigmoid modes. A softmax couples the channels of a
            pixel, so in multiclass mode a pixel is weighted as a whole. Signs are not checked: that would wait for
            the device.
        mode: "multiclass" (softmax), "binary" (sigmoid, one channel) or "multilabel" (sigmoid).
        ignore_index: the void label of integer targets, any integer that is not a class.

    Raises:
        ValueError: an argument has the wrong rank, shape, dtype or value; the message names it, what came and what
            was expected. Label values are not checked (an out-of-range label raises in torch's indexing).

    Example:
        >>> inputs = LossInputs(torch.zeros(1, 2, 1, 3), torch.tensor([[[0, 1, 255]]]))
        >>> inputs.probabilities[0, 0]
        tensor([[0.5000, 0.5000, 0.5000]])
        >>> inputs.target[0, 1], inputs.weights[0, 0]
        (tensor([[0., 1., 0.]]), tensor([[1., 1., 0.]]))
    """

    def __init__(
        self,
        logits: Tensor,
        target: Tensor,
        pixel_weights: Tensor | None = None,
        *,
        mode: Task = "multiclass",
        ignore_index: int = IGNORE_INDEX,
    ) -> None:
        check_choice("mode", mode, MODES)
        check_logits(logits, mode)
        check_target(target, logits, mode)
        check_pixel_weights(pixel_weights, logits, mode)
        check_ignore_index(ignore_index, mode, logits.shape[1])
        self.mode: Task = mode
        self.hard = not target.is_floating_point()
        self.dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
        self.channels = logits.shape[1]
        self._raw_logits = logits
        # comparing uint8 with a negative ignore_index wraps around (156 == -100), so labels are int64 from here on
        self._raw_target = _with_channels(target.long() if self.hard else target.to(self.dtype), logits)
        self._pixel_weights = None if pixel_weights is None else _with_channels(pixel_weights.to(self.dtype), logits)
        self._ignore_index = ignore_index
        self._wanted: set[str] = set()
        self._statistics: dict[str, Tensor] = {}
        self._kept: dict[Hashable, Any] = {}

    def want(self, names: Iterable[str]) -> None:
        """Say, before the first use, which properties will be read, so that one pass over the logits gives them all."""
        self._wanted.update(names)

    def once(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """The result of `compute`, kept under `key` for every loss that reads these inputs."""
        if key not in self._kept:
            self._kept[key] = compute()
        result: Result = self._kept[key]
        return result

    @_kept
    def valid(self) -> Tensor:
        """Where a pixel counts: bool (N, 1, *S), or (N, C, *S) where the channels differ."""
        if self._pixel_weights is None:
            if self.hard:
                return self._raw_target != self._ignore_index
            return torch.ones_like(self._raw_target[:, :1], dtype=torch.bool)
        weighted = self._pixel_weights != 0
        return weighted & (self._raw_target != self._ignore_index) if self.hard else weighted

    @_kept
    def weights(self) -> Tensor:
        """Pixel weights, 1 where none were given and 0 where void, shaped as `valid`."""
        if self._pixel_weights is None:
            return self.valid.to(self.dtype)
        return torch.where(self.valid, self._pixel_weights, 0.0)

    @_kept
    def logits(self) -> Tensor:
        """Logits (N, C, *S); 0 where void, because 0 times an infinite logit would be NaN."""
        return torch.where(self.valid, self._raw_logits.to(self.dtype), 0.0)

    @_kept
    def labels(self) -> Tensor:
        """Class indices of a hard multiclass target, int64 (N, 1, *S); 0 where void, which is safe to index with."""
        return torch.where(self.valid, self._raw_target, 0)

    @_kept
    def target(self) -> Tensor:
        """Target probabilities (N, C, *S): one-hot for hard multiclass labels; 0 where void."""
        if self.hard and self.mode == "multiclass":
            one_hot = torch.zeros_like(self._raw_logits, dtype=self.dtype)
            return one_hot.scatter_(1, self.labels, self.valid.to(self.dtype))
        return torch.where(self.valid, self._raw_target, 0).to(self.dtype)

    @_kept
    def log_probabilities(self) -> Tensor:
        """Logarithm of `probabilities`, finite where they round to 0."""
        return self.logits.log_softmax(1) if self.mode == "multiclass" else F.logsigmoid(self.logits)

    @_kept
    def log_complements(self) -> Tensor:
        """log(1 - p) of a sigmoid mode; not log p - logit, which cancels for confident pixels."""
        return F.logsigmoid(-self.logits)

    @_kept
    def probabilities(self) -> Tensor:
        """Softmax or sigmoid of the logits (N, C, *S), from the log-probabilities where those are wanted too."""
        if "log_probabilities" in self.__dict__.keys() | self._wanted:
            return self.log_probabilities.exp()
        return self.logits.softmax(1) if self.mode == "multiclass" else self.logits.sigmoid()

    @_kept
    def label_log_probability(self) -> Tensor:
        """Log p of the label of every pixel of a hard multiclass target (N, 1, *S)."""
        return self._statistic(LABEL_LOG_PROBABILITY, lambda: self.log_probabilities.gather(1, self.labels))

    @_kept
    def squares(self) -> Tensor:
        """sum_c p_c^2 of every pixel in multiclass mode (N, 1, *S)."""
        return self._statistic(SQUARES, lambda: self.probabilities.square().sum(1, keepdim=True))

    @_kept
    def mass(self) -> Tensor:
        """Sum w p over the pixels of every image (N, C)."""
        return self._statistic(MASS, lambda: (self.weights * self.probabilities).flatten(2).sum(2))

    @_kept
    def squared_mass(self) -> Tensor:
        """Sum w p^2 over the pixels of every image (N, C)."""
        return self._statistic(SQUARED_MASS, lambda: (self.weights * self.probabilities.square()).flatten(2).sum(2))

    def sum_by_label(self, values: Tensor) -> Tensor:
        """The sum of `values` (N, 1, *S) over the pixels of each label of a hard multiclass target (N, C)."""
        images, classes = self._raw_logits.shape[:2]
        # one after the other in float32, equal values would lose digits
        flat = values.flatten(1).to(torch.float32 if values.device.type == "mps" else torch.float64)
        index = self.once("block of a label", lambda: _blocks(self.labels.flatten(1), classes))
        sums = flat.new_zeros((images, -(-flat.shape[1] // BLOCK) * classes)).scatter_add(1, index, flat)
        return sums.view(images, -1, classes).sum(1).to(values.dtype)

    def _statistic(self, name: str, of_all_probabilities: Callable[[], Tensor]) -> Tensor:
        if not self._in_chunks:
            return of_all_probabilities()
        if name not in self._statistics:
            logits, labels, weights = (tensor.flatten(2) for tensor in (self._raw_logits, self.labels, self.weights))
            self._statistics |= softmax_statistics(logits, labels, weights, {name, *self._wanted})
        found = self._statistics[name]
        return found if found.ndim == 2 else found.view(self.labels.shape)

    @_kept
    def _in_chunks(self) -> bool:
        if self.mode != "multiclass" or not self.hard or torch.compiler.is_compiling():  # a compiler does this itself
            return False
        return not (self._wanted & ALL_PROBABILITIES or self.__dict__.keys() & ALL_PROBABILITIES)

    def check_class_vector(self, name: str, vector: Tensor | None) -> Tensor | None:
        """Check a per-class argument: C values, or [background, foreground] in binary mode.

        Raises:
            ValueError: `vector` has another shape.
        """
        if vector is None:
            return None
        expected = 2 if self.mode == "binary" else self.channels
        if vector.shape != (expected,):
            what = "[background, foreground]" if self.mode == "binary" else "one value per channel"
            raise ValueError(f"{name}: got shape {tuple(vector.shape)}, expected ({expected},), {what}")
        return vector.to(self.dtype)


def _with_channels(tensor: Tensor, logits: Tensor) -> Tensor:
    return tensor if tensor.ndim == logits.ndim else tensor.unsqueeze(1)


def _blocks(labels: Tensor, classes: int) -> Tensor:
    """Where a pixel's label counts: the labels (N, P) of each block of pixels come after those of the block before."""
    return labels + torch.arange(labels.shape[1], device=labels.device).div(BLOCK, rounding_mode="floor") * classes
