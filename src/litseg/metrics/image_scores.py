"""IoU and Dice of each image, and their means: another average than that over the whole data set."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task
from litseg.metrics.confusion_matrix import task_confusion
from litseg.metrics.inputs import check_settings, confusion_shape
from litseg.metrics.per_image import PerImageMetric, mean_over_images, named


class ImageOverlap(NamedTuple):
    """Scores of each image (N, C), NaN where a class is in neither truth nor prediction."""

    iou: Tensor
    dice: Tensor


def image_overlap(confusions: Tensor) -> ImageOverlap:
    """IoU and Dice of each image and class, float64.

    Args:
        confusions: integer counts of each image (N, C, C), rows the truth; multilabel (N, C, 2, 2).

    Example:
        >>> print(image_overlap(torch.tensor([[[3, 1], [0, 4]]])).iou)
        tensor([[0.7500, 0.8000]], dtype=torch.float64)
    """
    counts = confusions.double()
    if confusions.ndim == 4:
        hits, truth, predicted = counts[..., 1, 1], counts[..., 1, :].sum(-1), counts[..., :, 1].sum(-1)
    else:
        hits, truth, predicted = counts.diagonal(dim1=1, dim2=2), counts.sum(2), counts.sum(1)
    return ImageOverlap(hits / (truth + predicted - hits), 2 * hits / (truth + predicted))


def image_scores(confusions: Tensor, class_names: Sequence[str]) -> dict[str, Tensor]:
    """Means over images of what each image scores on its own.

    Args:
        confusions: as `image_overlap`.
        class_names: C names.

    Returns:
        `image_miou`, `image_mdice`: the mean over images of the image's mean over those classes that are in its truth
        or prediction. `image_iou/<class>`, `image_dice/<class>`: the mean over those images that have the class.
    """
    overlap = image_overlap(confusions)
    result = {}
    for score, values in overlap._asdict().items():
        result[f"image_m{score}"] = mean_over_images(values.nanmean(1))
        names = named(f"image_{score}", mean_over_images(values), tuple(class_names))
        result |= {name: value for name, value in names.items() if "/" in name}
    return result


class ImageConfusion(PerImageMetric):
    """The confusion matrix of each image, with the image's id.

    Memory: 4 bytes a count, so 4 * C * C bytes an image (0.5 kB with 11 classes, 90 kB with 150).

    Args:
        class_names: as in `SegmentationMetrics`.
        task: see `litseg.labels.Task`.
        ignore_index: the void label.
        **kwargs: settings of `torchmetrics.Metric`.
    """

    confusions: list[Tensor]
    id_bytes: list[Tensor]

    def __init__(self, class_names: Sequence[str], task: Task, ignore_index: int = IGNORE_INDEX, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_names, self.ignore_index = tuple(class_names), ignore_index
        check_settings(self.class_names, task, ignore_index)
        self.task: Task = task
        self.add_rows("confusions", confusion_shape(task, len(self.class_names)), torch.int32)
        self.add_rows("id_bytes", (), torch.uint8)  # each id in UTF-8 and a 0: what tensors can carry between ranks

    def update(self, prediction: Tensor, target: Tensor, ids: Sequence[str]) -> None:
        """Count each image of a batch.

        Args:
            prediction: labels (N, *S), see `predicted_labels`.
            target: labels of the same shape.
            ids: N names.

        Raises:
            ValueError: another number of ids, an id with a NUL in it, a label out of range.
        """
        if len(ids) != len(target) or any("\0" in each for each in ids):
            raise ValueError(f"ids: got {list(ids)}, expected {len(target)} names without NUL, one for each image")
        classes = len(self.class_names)
        for each, truth in zip(torch.split(prediction, 1), torch.split(target, 1), strict=True):
            counts = task_confusion(each, truth, self.task, classes, self.ignore_index)
            self.confusions.append(counts.int().unsqueeze(0))
        encoded = b"".join(each.encode() + b"\0" for each in ids)
        self.id_bytes.append(torch.tensor(list(encoded), dtype=torch.uint8, device=self.device))

    def compute(self) -> tuple[list[str], Tensor]:
        """Ids, and int64 counts of each image on the CPU: (N, C, C), multilabel (N, C, 2, 2)."""
        encoded = bytes(self.rows("id_bytes").tolist())
        return encoded.decode().split("\0")[:-1], self.rows("confusions").cpu().long()
