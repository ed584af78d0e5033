"""Checks of what a loss is given; every message names the argument, what came and what was expected."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.amp.autocast_mode import is_autocast_available

from litseg.labels import Task


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise ValueError, naming the argument, unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(map(repr, choices))}")


def check_ignore_index(ignore_index: int, mode: Task, channels: int) -> None:
    """Raise ValueError where the void label is also a class: the class would silently leave loss or metric."""
    classes = channels if mode == "multiclass" else 2
    if 0 <= ignore_index < classes:
        raise ValueError(f"ignore_index: got {ignore_index}, expected an integer outside the classes 0..{classes - 1}")


def check_logits(logits: Tensor, mode: Task) -> None:
    """Raise ValueError unless float (N, C, *S) with as many channels as the mode allows."""
    if not logits.is_floating_point() or logits.ndim < 3:
        raise ValueError(f"logits: got {_describe(logits)}, expected a float tensor (N, C, *spatial)")
    channels = logits.shape[1]
    if mode == "binary" and channels != 1:
        raise ValueError(f"logits: got {channels} channels, expected 1 in binary mode")
    if mode == "multiclass" and channels < 2:
        raise ValueError(f"logits: got {channels} channel, expected 2 or more in multiclass mode (1 is mode 'binary')")


def check_target(target: Tensor, logits: Tensor, mode: Task) -> None:
    """Raise ValueError unless of the shape and kind that the mode and these logits ask for."""
    per_channel, per_pixel = tuple(logits.shape), _without_channels(logits)
    if target.is_floating_point() or mode == "multilabel":
        expected, kind = per_channel, "float or integer" if mode == "multilabel" else "float"
    else:
        expected, kind = per_pixel, "integer"
    if target.is_complex() or tuple(target.shape) != expected:
        other = "" if mode == "multilabel" else f" (integer targets are {per_pixel}, float targets {per_channel})"
        raise ValueError(f"target: got {_describe(target)}, expected {kind} {expected} in {mode} mode{other}")


def check_pixel_weights(weights: Tensor | None, logits: Tensor, mode: Task) -> None:
    """Raise ValueError unless None, one number per pixel, or per entry in a sigmoid mode."""
    allowed = [_without_channels(logits)] + ([tuple(logits.shape)] if mode != "multiclass" else [])
    if weights is not None and (weights.is_complex() or tuple(weights.shape) not in allowed):
        raise ValueError(f"pixel_weights: got {_describe(weights)}, expected {' or '.join(map(str, allowed))}")


def _without_channels(logits: Tensor) -> tuple[int, ...]:
    return (logits.shape[0], *logits.shape[2:])


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def autocast_off(device: torch.device) -> AbstractContextManager[object]:
    """Keep the sums of a loss in the precision `LossInputs` chose, whatever autocast surrounds it."""
    available = is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else nullcontext()
