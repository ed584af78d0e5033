"""Scores of a confusion matrix."""

from collections.abc import Sequence

from torch import Tensor


def scores(confusion: Tensor, class_names: Sequence[str]) -> dict[str, Tensor]:
    """Dataset-level scores from counts, in float64.

    Of one class with true positives TP, false positives FP and false negatives FN:

        iou = TP / (TP + FP + FN)    dice = 2 TP / (2 TP + FP + FN)
        precision = TP / (TP + FP)   recall = TP / (TP + FN)

    A class in neither truth nor prediction has no score (NaN). Recall is NaN where the class is not in the truth.
    Precision is 0 where the class is in the truth but was never predicted. NaN leaves a mean.

    Args:
        confusion: int64 counts (C, C), rows the truth; or (C, 2, 2), one [absent, present] matrix a class (multilabel).
        class_names: C names.

    Returns:
        Scalars: `miou`, `mdice` (macro F1), `precision` and `recall` (means over classes; recall is also called class
        accuracy), `pixel_accuracy` (the share of all decisions that are right), `fwiou` (IoU weighted with the
        frequency of the class in the truth), then `iou/<class>`, `dice/<class>`, `precision/<class>` and
        `recall/<class>`.

    Raises:
        ValueError: the matrix has another shape than the names ask for.

    Example:
        >>> import torch
        >>> result = scores(torch.tensor([[3, 1], [0, 4]]), ["sky", "tree"])
        >>> print(f"{result['iou/sky']:.3f} {result['iou/tree']:.3f} {result['miou']:.3f}")
        0.750 0.800 0.775
    """
    true_positives, in_truth, predicted, right = _counts(confusion, len(class_names))
    union = in_truth + predicted - true_positives
    iou = true_positives / union
    precision = true_positives / predicted
    per_class = {
        "iou": iou,
        "dice": 2 * true_positives / (in_truth + predicted),
        "precision": precision.where((predicted > 0) | (in_truth == 0), 0.0),
        "recall": true_positives / in_truth,
    }
    result = {
        "miou": iou.nanmean(),
        "mdice": per_class["dice"].nanmean(),
        "precision": per_class["precision"].nanmean(),
        "recall": per_class["recall"].nanmean(),
        "pixel_accuracy": right / confusion.sum().double(),
        "fwiou": (in_truth * iou).nansum() / in_truth.sum(),
    }
    for score, values in per_class.items():
        result.update({f"{score}/{name}": value for name, value in zip(class_names, values.unbind(), strict=True)})
    return result


def _counts(confusion: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """True positives, truth and prediction of every class (C,), and all right decisions; sums of int64 as float64."""
    if confusion.shape == (classes, 2, 2):
        truth, prediction = confusion[:, 1].sum(1), confusion[:, :, 1].sum(1)
        true_positives, right = confusion[:, 1, 1], confusion.diagonal(dim1=1, dim2=2).sum()
    elif confusion.shape == (classes, classes):
        truth, prediction = confusion.sum(1), confusion.sum(0)
        true_positives, right = confusion.diagonal(), confusion.diagonal().sum()
    else:
        shape = tuple(confusion.shape)
        raise ValueError(f"confusion: got shape {shape}, expected ({classes}, {classes}) or ({classes}, 2, 2)")
    return true_positives.double(), truth.double(), prediction.double(), right.double()
