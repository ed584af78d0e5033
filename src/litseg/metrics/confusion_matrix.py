"""Counting predictions against the truth, exactly.

Shape letters: N images, C classes, *S the spatial sizes (H, W for images).
"""

import torch
from torch import Tensor

from litseg.labels import Task


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
        ValueError: a label of `classes` or more that is not void.

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 255]), 2, 255)
        tensor([[1, 1],
                [0, 1]])
    """
    # uint8 compared with a negative ignore_index would wrap around; int32 holds all that 8 and 16 bits give
    labels = target.int() if target.dtype.itemsize < 4 else target.long()
    # void goes to a row before the first, so that no copy of the valid pixels is made and a label beyond the last row
    # shows in the length of the result
    row = torch.where(labels == ignore_index, -1, labels)
    cell = torch.add(prediction, row, alpha=classes).add_(classes)
    counts = torch.bincount(cell.flatten(), minlength=(classes + 1) * classes)
    if counts.numel() > (classes + 1) * classes:
        largest = (counts.numel() - 1) // classes - 1
        raise ValueError(f"target: got the label {largest}, expected 0..{classes - 1} or {ignore_index} (void)")
    return counts.view(classes + 1, classes)[1:]


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
    classes = logits.shape[1]
    if not logits.is_cpu or classes > 255:
        return logits.max(1).indices
    # On a CPU torch goes through the pixels one by one to find indices, but does values, one plane per class, with
    # vectors: 255 where a logit is below the largest, its class where it is not, and of these the smallest.
    planes = logits.contiguous()
    below = (planes < planes.amax(1, keepdim=True)).view(torch.uint8).mul_(255)
    below |= torch.arange(classes, dtype=torch.uint8).view(-1, *[1] * (logits.ndim - 2))
    return below.amin(1)


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
