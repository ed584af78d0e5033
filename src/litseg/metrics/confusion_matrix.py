"""Counting predictions against the truth, exactly.

Shape letters: N images, C classes, *S the spatial sizes (H, W for images).
"""

import torch
from torch import Tensor

from litseg.labels import Task

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
CACHED = 2**20
"""Logits, or bytes of labels, that are worked on at once on a CPU: they stay in the cache of a core."""


def confusion_matrix(prediction: Tensor, target: Tensor, classes: int, ignore_index: int) -> Tensor:
    """Count the valid pixels of every pair (true class, predicted class).

    Args:
        prediction: predicted classes in 0..classes-1, any integer dtype.
        target: true classes, any integer dtype, same shape; `ignore_index` marks void pixels.
        classes: number of classes.
        ignore_index: the void label, any integer outside 0..classes-1.

    Returns:
        int64 (classes, classes): rows are the truth, columns the prediction.

    Raises:
        ValueError: a label outside 0..classes-1 that is not void.

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 255]), 2, 255)
        tensor([[1, 1],
                [0, 1]])
    """
    few = CACHED // 8 if target.is_cpu else max(1, target.numel())
    pieces = zip(torch.split(prediction.flatten(), few), torch.split(target.flatten(), few), strict=True)
    return torch.stack([_counts(*each, classes, ignore_index) for each in pieces]).sum(0)


def _counts(prediction: Tensor, target: Tensor, classes: int, ignore_index: int) -> Tensor:
    # The fewer bytes, the faster. Void goes to a row before the first, so that no copy of the valid pixels is made, and
    # a label beyond the last row shows in the length of the result.
    small = target.dtype == torch.uint8 and classes < 128 and abs(ignore_index) < 2**15
    cell = target.to(torch.int16 if small else torch.int64, copy=True)
    valid = cell != ignore_index
    if not small and ((cell < 0) & valid).any():
        raise _unexpected(int(cell[valid].min()), classes, ignore_index)
    cell.add_(1).mul_(valid).mul_(classes).add_(prediction)
    counts = torch.bincount(cell.flatten(), minlength=(classes + 1) * classes)
    if counts.numel() > (classes + 1) * classes:
        raise _unexpected((counts.numel() - 1) // classes - 1, classes, ignore_index)
    return counts.view(classes + 1, classes)[1:]


def _unexpected(label: int, classes: int, ignore_index: int) -> ValueError:
    return ValueError(f"target: got the label {label}, expected 0..{classes - 1} or {ignore_index} (void)")


def predicted_classes(logits: Tensor) -> Tensor:
    """The index of the largest logit, the first of equal ones.

    Args:
        logits: (N, C, *S), any floating-point dtype and memory format.

    Returns:
        Integers (N, *S); 0 where a logit is NaN on a CPU.

    Example:
        >>> predicted_classes(torch.tensor([[[0.5, -1.0], [2.0, -1.0]]])).tolist()
        [[1, 0]]
    """
    if not logits.is_cpu:
        return logits.max(1).indices
    few = max(1, CACHED * len(logits) // max(1, logits.numel()))
    return torch.cat([_first_largest(images) for images in torch.split(logits, few)])


def _first_largest(logits: Tensor) -> Tensor:
    """The same on a CPU, where torch finds indices pixel by pixel, but does values, a plane a class, with vectors.

    Each logit becomes 0 where none is larger, else 1, and the bits of that, as an integer, plus its class are
    smallest at the first largest.
    """
    planes = logits.contiguous()
    smaller = torch.lt(planes, planes.amax(1, keepdim=True), out=torch.empty_like(planes))
    cells = smaller.view(INTEGERS[planes.itemsize])
    cells += torch.arange(logits.shape[1], dtype=cells.dtype).view(-1, *[1] * (logits.ndim - 2))
    first = cells.amin(1)
    return first.byte() if logits.shape[1] <= 256 else first


def task_confusion(prediction: Tensor, target: Tensor, task: Task, classes: int, ignore_index: int) -> Tensor:
    """The confusion matrix of a batch: (C, C), in multilabel mode one [absent, present] matrix a class (C, 2, 2).

    Args:
        prediction: predicted labels (N, *S), multilabel (N, C, *S), int64.
        target: true labels of the same shape.
        task: see `litseg.labels.Task`.
        classes: number of classes C.
        ignore_index: the void label; in multilabel mode an entry is void on its own.

    Raises:
        ValueError: a label out of range.
    """
    if task != "multilabel":
        return confusion_matrix(prediction, target, classes, ignore_index)
    pairs = zip(prediction.unbind(1), target.unbind(1), strict=True)
    return torch.stack([confusion_matrix(each, truth, 2, ignore_index) for each, truth in pairs])
