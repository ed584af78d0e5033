"""What metrics accept, and the labels that logits predict."""

from collections.abc import Iterator
from typing import get_args

import torch
from torch import Tensor

from litseg.labels import Task
from litseg.metrics.confusion_matrix import predicted_classes

CACHED = 2**19
"""Logits whose probabilities are measured at once on a CPU."""


def predicted_labels(logits: Tensor, task: Task) -> Tensor:
    """The predicted labels: the largest of C logits, or a logit above 0 in binary and multilabel mode.

    Args:
        logits: raw scores (N, C, *S); C is 1 in binary mode.
        task: see `litseg.labels.Task`.

    Returns:
        Integers (N, *S), uint8 where they fit; in multilabel mode (N, C, *S) of 0 and 1.
    """
    if task == "multiclass":
        return predicted_classes(logits)
    return (logits > 0).byte() if task == "multilabel" else (logits[:, 0] > 0).byte()


def check_batch(logits: Tensor, target: Tensor, task: Task, classes: int) -> None:
    """Compare logits (N, C, *S) and integer target (N, *S), multilabel (N, C, *S), with the task.

    Raises:
        ValueError: a shape or a dtype that does not fit.
    """
    channels = 1 if task == "binary" else classes
    if not logits.is_floating_point() or logits.ndim < 3 or logits.shape[1] != channels:
        raise ValueError(f"logits: got {_describe(logits)}, expected float (N, {channels}, *spatial)")
    per_pixel = (logits.shape[0], *logits.shape[2:])
    expected = tuple(logits.shape) if task == "multilabel" else per_pixel
    if target.is_floating_point() or tuple(target.shape) != expected:
        raise ValueError(f"target: got {_describe(target)}, expected integer {expected} in {task} mode")


def check_settings(class_names: tuple[str, ...], task: Task, ignore_index: int) -> None:
    """Compare names and void label with the task.

    Raises:
        ValueError: an unknown task, names that repeat or are too few, a void label that is a class.
    """
    if task not in get_args(Task):
        raise ValueError(f"task: got {task!r}, expected one of {', '.join(map(repr, get_args(Task)))}")
    count = len(class_names)
    if len(set(class_names)) != count:
        raise ValueError(f"class_names: got {list(class_names)}, expected names that do not repeat")
    if (task == "binary" and count != 2) or count < (1 if task == "multilabel" else 2):
        expected = {"binary": "[background, foreground]", "multilabel": "1 or more", "multiclass": "2 or more"}[task]
        raise ValueError(f"class_names: got {count} ({list(class_names)}), expected {expected} in {task} mode")
    classes = 2 if task == "multilabel" else count
    if 0 <= ignore_index < classes:
        raise ValueError(f"ignore_index: got {ignore_index}, expected an integer outside the classes 0..{classes - 1}")


def confusion_shape(task: Task, classes: int) -> tuple[int, ...]:
    """Shape of a confusion matrix: (C, C), in multilabel mode (C, 2, 2)."""
    return (classes, 2, 2) if task == "multilabel" else (classes, classes)


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def is_broken(logits: Tensor) -> bool:
    """Whether there are NaN or +inf among the logits, from one sum; only -inf can stand for an impossible class."""
    total = logits.float().sum()
    return bool(total.isnan() | (total == torch.inf))


def pieces(logits: Tensor, *labels: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """On a CPU some rows of an image at a time, whose probabilities stay in its caches."""
    rows = logits.shape[2]
    few = max(1, CACHED * rows // max(1, logits[0].numel())) if logits.is_cpu else rows
    one = 1 if logits.is_cpu else len(logits)
    for image in zip(*(torch.split(batch, one) for batch in (logits, *labels)), strict=True):
        # rows are behind the channels where there are any
        yield from zip(*(torch.split(each, few, each.ndim - logits.ndim + 2) for each in image), strict=True)
