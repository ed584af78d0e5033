"""The dataset-level metric: one integer confusion matrix, all scores."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from litseg.labels import IGNORE_INDEX, Task
from litseg.metrics.confusion_matrix import task_confusion
from litseg.metrics.inputs import check_batch, check_settings, confusion_shape, predicted_labels
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
        check_settings(self.class_names, task, ignore_index)
        shape = confusion_shape(task, len(self.class_names))
        self.add_state("confusion", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            logits: raw scores (N, C, *S); C is 1 in binary mode.
            target: integer labels (N, *S); (N, C, *S) of 0, 1 and void in multilabel mode.

        Raises:
            ValueError: a shape, a dtype or a label that does not fit.
        """
        classes = len(self.class_names)
        check_batch(logits, target, self.task, classes)
        prediction = predicted_labels(logits, self.task)
        self.confusion += task_confusion(prediction, target, self.task, classes, self.ignore_index)

    def compute(self) -> dict[str, Tensor]:
        """All scores of what was counted, see `scores`; NaN where nothing was."""
        return scores(self.confusion.cpu(), self.class_names)  # float64, which not every device has

    def set_dtype(self, dst_type: str | torch.dtype) -> "SegmentationMetrics":
        """Do nothing: torchmetrics would turn the counts into floats, which stop counting."""
        return self

    def names(self) -> list[str]:
        """The names that `compute` gives, without computing."""
        return list(scores(torch.zeros_like(self.confusion, device="cpu"), self.class_names))
