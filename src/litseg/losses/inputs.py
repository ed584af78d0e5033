"""What every loss computes from: checked arguments, and activations that are computed once and shared.

Shape letters: N images, C channels, *S the spatial sizes (H, W for images).
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Final, get_args

import torch
from torch import Tensor
from torch.amp.autocast_mode import is_autocast_available
from torch.nn import functional as F

from litseg.labels import IGNORE_INDEX, Task

MODES: Final[tuple[str, ...]] = get_args(Task)


class LossInputs:
    """The arguments of a loss, checked once; everything derived from them is computed on first use and kept.

    Several losses that read the same object share one activation of the logits. Numbers are float32 (float64 stays
    float64). Void pixels are neutral in everything offered here: their logits and targets read 0, whatever stood
    there (inf and NaN too), and their weight is 0, so a sum over weights times anything leaves them out of the value
    and of the gradient. The tensors passed in are never changed.

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
        _check_logits(logits, mode)
        _check_target(target, logits, mode)
        _check_pixel_weights(pixel_weights, logits, mode)
        check_ignore_index(ignore_index, mode, logits.shape[1])
        self.mode: Task = mode
        self.hard = not target.is_floating_point()
        self.dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
        self._raw_logits = logits
        # comparing uint8 with a negative ignore_index wraps around (156 == -100), so labels are int64 from here on
        self._raw_target = _with_channels(target.long() if self.hard else target.to(self.dtype), logits)
        self._pixel_weights = None if pixel_weights is None else _with_channels(pixel_weights.to(self.dtype), logits)
        self._ignore_index = ignore_index

    @cached_property
    def valid(self) -> Tensor:
        """Where a pixel counts: bool (N, 1, *S), or (N, C, *S) where the channels differ."""
        if self._pixel_weights is None:
            if self.hard:
                return self._raw_target != self._ignore_index
            return torch.ones_like(self._raw_target[:, :1], dtype=torch.bool)
        weighted = self._pixel_weights != 0
        return weighted & (self._raw_target != self._ignore_index) if self.hard else weighted

    @cached_property
    def weights(self) -> Tensor:
        """Pixel weights, 1 where none were given and 0 where void, shaped as `valid`."""
        if self._pixel_weights is None:
            return self.valid.to(self.dtype)
        return torch.where(self.valid, self._pixel_weights, 0.0)

    @cached_property
    def logits(self) -> Tensor:
        """Logits (N, C, *S); 0 where void, because 0 times an infinite logit would be NaN."""
        return torch.where(self.valid, self._raw_logits.to(self.dtype), 0.0)

    @cached_property
    def labels(self) -> Tensor:
        """Class indices of a hard multiclass target, int64 (N, 1, *S); 0 where void, which is safe to index with."""
        return torch.where(self.valid, self._raw_target, 0)

    @cached_property
    def target(self) -> Tensor:
        """Target probabilities (N, C, *S): one-hot for hard multiclass labels; 0 where void."""
        if self.hard and self.mode == "multiclass":
            one_hot = torch.zeros_like(self._raw_logits, dtype=self.dtype)
            return one_hot.scatter_(1, self.labels, self.valid.to(self.dtype))
        return torch.where(self.valid, self._raw_target, 0).to(self.dtype)

    @cached_property
    def log_probabilities(self) -> Tensor:
        """Logarithm of `probabilities`, finite where they round to 0."""
        return self.logits.log_softmax(1) if self.mode == "multiclass" else F.logsigmoid(self.logits)

    @cached_property
    def log_complements(self) -> Tensor:
        """log(1 - p) of a sigmoid mode; not log p - logit, which cancels for confident pixels."""
        return F.logsigmoid(-self.logits)

    @cached_property
    def probabilities(self) -> Tensor:
        """Softmax or sigmoid of the logits (N, C, *S), from the log-probabilities where a loss has asked for those."""
        if "log_probabilities" in self.__dict__:
            return self.log_probabilities.exp()
        return self.logits.softmax(1) if self.mode == "multiclass" else self.logits.sigmoid()

    def check_class_vector(self, name: str, vector: Tensor | None) -> Tensor | None:
        """Check a per-class argument: C values, or [background, foreground] in binary mode.

        Raises:
            ValueError: `vector` has another shape.
        """
        if vector is None:
            return None
        expected = 2 if self.mode == "binary" else self._raw_logits.shape[1]
        if vector.shape != (expected,):
            what = "[background, foreground]" if self.mode == "binary" else "one value per channel"
            raise ValueError(f"{name}: got shape {tuple(vector.shape)}, expected ({expected},), {what}")
        return vector.to(self.dtype)


def autocast_off(device: torch.device) -> AbstractContextManager[object]:
    """Keep the sums of a loss in the precision `LossInputs` chose, whatever autocast surrounds it."""
    available = is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else nullcontext()


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise ValueError, naming the argument, unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(map(repr, choices))}")


def check_ignore_index(ignore_index: int, mode: Task, channels: int) -> None:
    """Raise ValueError where the void label is also a class: the class would silently leave loss or metric."""
    classes = channels if mode == "multiclass" else 2
    if 0 <= ignore_index < classes:
        raise ValueError(f"ignore_index: got {ignore_index}, expected an integer outside the classes 0..{classes - 1}")


def _check_logits(logits: Tensor, mode: Task) -> None:
    if not logits.is_floating_point() or logits.ndim < 3:
        raise ValueError(f"logits: got {_describe(logits)}, expected a float tensor (N, C, *spatial)")
    channels = logits.shape[1]
    if mode == "binary" and channels != 1:
        raise ValueError(f"logits: got {channels} channels, expected 1 in binary mode")
    if mode == "multiclass" and channels < 2:
        raise ValueError(f"logits: got {channels} channel, expected 2 or more in multiclass mode (1 is mode 'binary')")


def _check_target(target: Tensor, logits: Tensor, mode: Task) -> None:
    per_channel, per_pixel = tuple(logits.shape), _without_channels(logits)
    if target.is_floating_point() or mode == "multilabel":
        expected, kind = per_channel, "float or integer" if mode == "multilabel" else "float"
    else:
        expected, kind = per_pixel, "integer"
    if target.is_complex() or tuple(target.shape) != expected:
        other = "" if mode == "multilabel" else f" (integer targets are {per_pixel}, float targets {per_channel})"
        raise ValueError(f"target: got {_describe(target)}, expected {kind} {expected} in {mode} mode{other}")


def _check_pixel_weights(weights: Tensor | None, logits: Tensor, mode: Task) -> None:
    allowed = [_without_channels(logits)] + ([tuple(logits.shape)] if mode != "multiclass" else [])
    if weights is not None and (weights.is_complex() or tuple(weights.shape) not in allowed):
        raise ValueError(f"pixel_weights: got {_describe(weights)}, expected {' or '.join(map(str, allowed))}")


def _without_channels(logits: Tensor) -> tuple[int, ...]:
    return (logits.shape[0], *logits.shape[2:])


def _with_channels(tensor: Tensor, logits: Tensor) -> Tensor:
    return tensor if tensor.ndim == logits.ndim else tensor.unsqueeze(1)


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
