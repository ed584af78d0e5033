"""Rows of the tables of an evaluation: one a class, one an image."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from litseg.metrics.image_scores import image_overlap

CLASS_SCORES = ("iou", "dice", "precision", "recall", "boundary_iou", "bf", "hausdorff95", "asd", "average_precision",
                "auc", "ece", "kappa", "mcc", "dice_at_threshold", "iou_at_threshold")  # fmt: skip


def class_rows(
    values: Mapping[str, float],
    class_names: Sequence[str],
    thresholds: Mapping[str, float] | None,
    intervals: Mapping[str, tuple[float, float]] | None,
) -> list[dict[str, Any]]:
    """A row a class: its scores, NaN where there are none.

    Args:
        values: by `<score>/<class>`.
        class_names: C names.
        thresholds: of each class.
        intervals: by the names of `values`, for `iou_low` and `iou_high`.
    """
    rows = []
    for name in class_names:
        row: dict[str, Any] = {"class": name}
        for score in CLASS_SCORES:
            row[score] = values.get(f"{score}/{name}", math.nan)
            if score == "iou":
                row["iou_low"], row["iou_high"] = (intervals or {}).get(f"iou/{name}", (math.nan, math.nan))
        rows.append(row | {"threshold": (thresholds or {}).get(name, math.nan)})
    return rows


def image_rows(ids: Sequence[str], matrices: Tensor, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """A row an image, the worst `image_miou` first; an image of void comes last.

    Args:
        ids: N names.
        matrices: counts of each image (N, C, C), multilabel (N, C, 2, 2).
        class_names: C names.
    """
    iou, dice = image_overlap(matrices)
    columns = {
        "image_miou": iou.nanmean(1),
        "image_mdice": dice.nanmean(1),
        "valid_pixels": matrices.flatten(1).sum(1),
    }
    columns |= {f"iou/{name}": values for name, values in zip(class_names, iou.unbind(1), strict=True)}
    lists = {name: values.tolist() for name, values in columns.items()}
    rows = [{"id": each} | {name: values[n] for name, values in lists.items()} for n, each in enumerate(ids)]
    return sorted(rows, key=lambda row: (math.isnan(row["image_miou"]), row["image_miou"], row["id"]))
