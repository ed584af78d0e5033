"""Curves as lists of points, for files and figures."""

import torch
from torch import Tensor

from litseg.metrics.ranking import overlap_by_threshold, precision_recall, thresholds


def precision_recall_curve(histogram: Tensor, points: int) -> dict[str, list[float]]:
    """Precision, recall and thresholds at recalls of 0 to 1 in equal steps, as nearly as they come.

    Args:
        histogram: of one class (1, 2, bins), see `score_histogram`; with entries of the class.
        points: at most so many.
    """
    precision, recall = (each[0] for each in precision_recall(histogram))
    defined = int((~precision.isnan()).sum())  # above the highest score there is nothing
    # recall falls with the threshold: the highest threshold that still has each recall
    rank = torch.searchsorted(recall[:defined].flip(0), torch.linspace(0, 1, points, dtype=torch.float64))
    chosen = torch.unique((defined - 1 - rank).clamp(min=0))
    columns = {"precision": precision, "recall": recall, "thresholds": thresholds(histogram.shape[-1])}
    return {name: values[chosen].tolist() for name, values in columns.items()}


def threshold_curve(histogram: Tensor, points: int) -> dict[str, list[float]]:
    """Dice and IoU at equally spaced thresholds, as nearly as the bins have them.

    Args:
        histogram: of one class (1, 2, bins).
        points: at most so many.
    """
    edges = thresholds(histogram.shape[-1])
    near = torch.searchsorted(edges, torch.linspace(0, 1, points, dtype=torch.float64))
    chosen = torch.unique(near.clamp(max=len(edges) - 1))
    dice, iou = (each[0] for each in overlap_by_threshold(histogram))
    return {name: values[chosen].tolist() for name, values in {"thresholds": edges, "dice": dice, "iou": iou}.items()}
