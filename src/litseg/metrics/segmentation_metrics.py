"""The dataset-level metric: one integer confusion matrix, all scores."""

from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor
from torchmetrics import Metric

from litseg.labels import IGNORE_INDEX, Task
from litseg.metrics.confusion_matrix import confusion_matrix, predicted_classes
from litseg.metrics.scores import scores


class SegmentationMetrics(Metric):
    """Scores of a whole data set, exact under any split into batches and any number of ranks.

    The state is int64, so counts stay exact above 2 ** 24, and lives on the metric's device. Predictions are the
    largest of C logits, or a logit above 0 in binary and multilabel mode; what came is never guessed from its values.

    Args:
        class_names: names of the classes; [background, foreground] in binary mode.
        task: "multiclass", "binary" or "multilabel".
        ignore_index: the void label, any integer that is not a class; in multilabel mode an entry is void on its own.
        **kwargs: settings of `torchmetrics.Metric`.

    Attributes:
        confusion: int64 counts (C, C), rows the truth; multilabel (C, 2, 2).

    Raises:
        ValueError: an unknown task, names that repeat or are too few, a void label that is a class.

    Example:
        >>> metrics = SegmentationMetrics(["background", "foreground"], task="binary")
        >>> metrics.update(torch.tensor([[[[-1.0, 2.0, 3.0]]]]), torch.tensor([[[0, 1, 255]]]))
        >>> metrics.compute()["miou"]
        tensor(1., dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    confusion: Tensor

    def __init__(self, class_names: Sequence[str], task: Task, ignore_index: int = IGNORE_INDEX, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_names = tuple(class_names)
        self.task: Task = task
        self.ignore_index = ignore_index
        _check_settings(self.class_names, task, ignore_index)
        count = len(self.class_names)
        shape = (count, 2, 2) if task == "multilabel" else (count, count)
        self.add_state("confusion", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            logits: raw scores (N, C, *S); C is 1 in binary mode.
            target: integer labels (N, *S); (N, C, *S) of 0, 1 and void in multilabel mode.

        Raises:
            ValueError: a shape, a dtype or a label that does not fit.
        """
        self._check_batch(logits, target)
        if self.task == "multilabel":
            predictions = (logits > 0).byte().unbind(1)
            pairs = zip(predictions, target.unbind(1), strict=True)
            self.confusion += torch.stack([confusion_matrix(p, t, 2, self.ignore_index) for p, t in pairs])
        else:
            prediction = predicted_classes(logits) if self.task == "multiclass" else (logits[:, 0] > 0).byte()
            self.confusion += confusion_matrix(prediction, target, len(self.class_names), self.ignore_index)

    def compute(self) -> dict[str, Tensor]:
        """All scores of what was counted, see `scores`; NaN where nothing was."""
        return scores(self.confusion.cpu(), self.class_names)  # float64, which not every device has

    def set_dtype(self, dst_type: str | torch.dtype) -> "SegmentationMetrics":
        """Do nothing: torchmetrics would turn the counts into floats, which stop counting."""
        return self

    def names(self) -> list[str]:
        """The names that `compute` gives, without computing."""
        return list(scores(torch.zeros_like(self.confusion, device="cpu"), self.class_names))

    def _check_batch(self, logits: Tensor, target: Tensor) -> None:
        channels = 1 if self.task == "binary" else len(self.class_names)
        if not logits.is_floating_point() or logits.ndim < 3 or logits.shape[1] != channels:
            raise ValueError(f"logits: got {_describe(logits)}, expected float (N, {channels}, *spatial)")
        per_pixel = (logits.shape[0], *logits.shape[2:])
        expected = tuple(logits.shape) if self.task == "multilabel" else per_pixel
        if target.is_floating_point() or tuple(target.shape) != expected:
            raise ValueError(f"target: got {_describe(target)}, expected integer {expected} in {self.task} mode")


def _check_settings(class_names: tuple[str, ...], task: Task, ignore_index: int) -> None:
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


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
