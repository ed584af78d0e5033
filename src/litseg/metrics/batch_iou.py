"""IoU as some repositories report it: of each batch, then the mean over batches. It depends on the batch size."""

from collections.abc import Sequence

import torch
from torch import Tensor

from litseg.metrics.image_scores import image_overlap


def batch_iou(confusions: Tensor, batch_size: int, class_names: Sequence[str]) -> dict[str, float]:
    """Mean over batches of the IoU of the batch's pooled pixels, each batch weighing as many images as it has.

    Not the IoU of the data set: kept for tables that print it beside that. A batch that has a class in neither truth
    nor prediction leaves the mean of the class. Source: `iou_score` and `validate` of 4uiiurz1/pytorch-nested-unet,
    whose smoothing of 1e-5 pixels is left out.

    Args:
        confusions: integer counts of each image (N, C, C), rows the truth, in the order of the loader; multilabel
            (N, C, 2, 2).
        batch_size: images of a batch; the last one may have fewer.
        class_names: C names.

    Returns:
        By class; NaN for one that no batch has.

    Example:
        >>> images = torch.tensor([[[0, 1], [0, 1]], [[0, 0], [0, 2]], [[0, 1], [1, 0]]])
        >>> batch_iou(images, 2, ["background", "nucleus"])["nucleus"]  # (2 * 3/4 + 1 * 0/2) / 3
        0.5
    """
    batches = torch.split(confusions, batch_size)
    iou = image_overlap(torch.stack([batch.sum(0) for batch in batches])).iou
    images = torch.tensor([len(batch) for batch in batches], dtype=iou.dtype)[:, None].where(~iou.isnan(), 0)
    means = (iou.nan_to_num(0) * images).sum(0) / images.sum(0)
    return dict(zip(class_names, means.tolist(), strict=True))
