"""What the metrics reproduce: our value beside that of another library, or of the authors' formula.

python -m tests.metrics.parity prints the table of docs/metrics_parity.md.
"""

import warnings
from collections.abc import Callable
from typing import Any

import cv2
import monai.metrics
import numpy as np
import scipy.ndimage
import scipy.stats
import sklearn.metrics
import torch
import torchmetrics.functional.classification as tm
from torch import Tensor

from litseg.metrics import BoundaryMetrics, bootstrap_intervals, ranking
from litseg.metrics.agreement import agreement
from litseg.metrics.calibration import confidences, expected_calibration_error, reliability_counts
from litseg.metrics.confusion_matrix import confusion_matrix
from litseg.metrics.image_scores import image_overlap
from litseg.metrics.scores import scores
from tests.metrics.cases import CLASSES, NAMES, logits_of, pair

Values = np.ndarray[Any, np.dtype[np.float64]]
Case = tuple[Tensor, Tensor]


def one_hot(labels: Tensor, target: Tensor) -> Tensor:
    """(1, C, H, W) of 0 and 1; all 0 where the target is void."""
    valid = target != 255
    hot = torch.nn.functional.one_hot(labels.where(valid, 0), CLASSES) * valid.unsqueeze(-1)
    return hot.movedim(-1, 0).unsqueeze(0).float()


def boundaries(case: Case, score: str) -> Values:
    """Our value of each class in one image, tolerance 2 pixels, width by the diagonal."""
    prediction, target = case
    metric = BoundaryMetrics(NAMES, "multiclass", tolerance=2 / float(np.hypot(*target.shape)))
    metric.update(prediction.unsqueeze(0), target.unsqueeze(0))
    values = metric.compute()
    return np.array([float(values[f"{score}/{name}"]) for name in NAMES])


def masks(case: Case) -> list[tuple[Any, Any]]:
    """Truth and prediction of each class, bool."""
    truth, said = (one_hot(each, case[1])[0].bool().numpy() for each in (case[1], case[0]))
    return list(zip(truth, said, strict=True))


def authors_boundary_iou(case: Case) -> Values:
    """As in the authors' boundary_iou_api, mask_to_boundary: erosions of the padded mask."""

    def region(mask: Any) -> Any:
        width = max(1, round(0.02 * float(np.hypot(*mask.shape))))
        padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)
        return (mask - eroded[1:-1, 1:-1]).astype(bool)

    regions = [(region(truth), region(said)) for truth, said in masks(case)]
    with np.errstate(invalid="ignore"):
        return np.array([np.divide((a & b).sum(), (a | b).sum()) for a, b in regions])


def csurka_bf(case: Case) -> Values:
    """By its formula, on scipy's erosion and distance transform."""
    result = []
    for truth, said in masks(case):
        true, claimed = (mask ^ scipy.ndimage.binary_erosion(mask) for mask in (truth, said))
        if not true.any() or not claimed.any():
            result.append(0.0 if true.any() or claimed.any() else np.nan)
            continue
        precision = (scipy.ndimage.distance_transform_edt(~true)[claimed] <= 2).mean()
        recall = (scipy.ndimage.distance_transform_edt(~claimed)[true] <= 2).mean()
        result.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return np.array(result)


def of_monai(function: Callable[..., Tensor], **settings: Any) -> Callable[[Case], Values]:
    """A function of MONAI on one-hot masks, infinite distances as NaN."""

    def call(case: Case) -> Values:
        prediction, target = case
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of each absent class
            result = function(one_hot(prediction, target), one_hot(target, target), include_background=True, **settings)
        return result[0].double().where(result[0].isfinite(), torch.nan).numpy()

    return call


def surface_dice(case: Case) -> Values:
    """From the counts of our contours."""
    prediction, target = case
    metric = BoundaryMetrics(NAMES, "multiclass", tolerance=2, unit="pixels")
    metric.update(prediction.unsqueeze(0), target.unsqueeze(0))
    counts = metric.rows("contours")[0].double()
    return ((counts[:, 0] + counts[:, 2]) / (counts[:, 1] + counts[:, 3])).numpy()


def image_score(case: Case, score: str) -> Values:
    prediction, target = case
    matrix = confusion_matrix(prediction, target, CLASSES, 255)
    return np.asarray(getattr(image_overlap(matrix.unsqueeze(0)), score)[0])


def flat(case: Case) -> tuple[Any, Any]:
    """Valid labels: truth, prediction."""
    prediction, target = case
    valid = target != 255
    return target[valid].numpy(), prediction[valid].numpy()


def agreed(case: Case, score: str) -> Values:
    return np.array([agreement(confusion_matrix(*case, CLASSES, 255), NAMES)[score]])


def ece(case: Case) -> Values:
    logits, target = logits_of(case[0].unsqueeze(0)), case[1].unsqueeze(0)
    measured = confidences(logits.softmax(1), logits.argmax(1), target, "multiclass")
    return expected_calibration_error(reliability_counts(*measured)).reshape(1).numpy()


def their_ece(case: Case) -> Values:
    logits = logits_of(case[0].unsqueeze(0)).double()
    return np.array([tm.multiclass_calibration_error(logits.softmax(1), case[1][None], CLASSES, 15, ignore_index=255)])


def binary_ece(case: Case) -> Values:
    logits, target = one_class(case)
    measured = confidences(logits.sigmoid(), (logits > 0).long()[:, 0], target, "binary")
    return expected_calibration_error(reliability_counts(*measured)).reshape(1).numpy()


def their_binary_ece(case: Case) -> Values:
    logits, target = one_class(case)
    return np.array([tm.binary_calibration_error(logits[:, 0].sigmoid().double(), target, 15, ignore_index=255)])


def one_class(case: Case) -> tuple[Tensor, Tensor]:
    """Logits (1, 1, H, W) and target of class 1 against the rest."""
    target = torch.where(case[1] == 255, 255, (case[1] == 1).long())
    return logits_of(case[0].unsqueeze(0))[:, 1:2] - 2, target.unsqueeze(0)


def histogram(case: Case) -> Tensor:
    logits, target = one_class(case)
    return ranking.score_histogram(logits, target.unsqueeze(1))


def flat_scores(case: Case) -> tuple[Any, Any]:
    """Labels and scores of the valid pixels."""
    logits, target = one_class(case)
    return flat((logits[0, 0], target[0]))


def binned(case: Case) -> tuple[Any, Any]:
    """The same, with the scores rounded down to their bin."""
    labels, scored = flat_scores(case)
    return labels, np.floor(scored * 64)


def found_interval(case: Case) -> Values:
    """Of the mean over resamples of five images; each image is one row of `case`."""
    return np.array(bootstrap_intervals(rows_as_images(case), pixel_accuracy, resamples=4000)["pixel_accuracy"])


def their_interval(case: Case) -> Values:
    """scipy's percentile bootstrap of the same ratio of sums."""
    counts = rows_as_images(case).numpy()
    right, valid = counts.diagonal(axis1=1, axis2=2).sum(1), counts.sum((1, 2))
    found = scipy.stats.bootstrap(
        (right, valid), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, vectorized=True,
        n_resamples=4000, method="percentile", rng=np.random.default_rng(1),
    )  # fmt: skip
    return np.array(found.confidence_interval)


def rows_as_images(case: Case) -> Tensor:
    pairs = zip(*case, strict=True)
    return torch.stack([confusion_matrix(said, truth, CLASSES, 255) for said, truth in pairs])


def pixel_accuracy(matrix: Tensor) -> dict[str, Tensor]:
    return {"pixel_accuracy": scores(matrix, NAMES)["pixel_accuracy"]}


M, SK = monai.metrics, sklearn.metrics
Function = Callable[[Case], Any]
ROWS: list[tuple[str, str, float, Function, Function]] = [
    ("boundary_iou", "boundary_iou_api of its authors (code)", 1e-12,
     lambda case: boundaries(case, "boundary_iou"), authors_boundary_iou),
    ("bf", "Csurka et al. (formula, on scipy)", 1e-12, lambda case: boundaries(case, "bf"), csurka_bf),
    ("bf: its counts", "MONAI compute_surface_dice", 1e-6, surface_dice,
     of_monai(M.compute_surface_dice, class_thresholds=[2.0] * CLASSES)),
    ("hausdorff95", "MONAI compute_hausdorff_distance", 1e-4, lambda case: boundaries(case, "hausdorff95"),
     of_monai(M.compute_hausdorff_distance, percentile=95)),
    ("asd", "MONAI compute_average_surface_distance, symmetric", 1e-5, lambda case: boundaries(case, "asd"),
     of_monai(M.compute_average_surface_distance, symmetric=True)),
    ("image_iou", "MONAI compute_iou", 1e-6, lambda case: image_score(case, "iou"),
     of_monai(M.compute_iou, ignore_empty=False)),
    ("image_dice", "MONAI compute_dice", 1e-6, lambda case: image_score(case, "dice"),
     of_monai(M.compute_dice, ignore_empty=False)),
    ("ece, multiclass", "torchmetrics multiclass_calibration_error", 1e-6, ece, their_ece),
    ("ece, binary", "torchmetrics binary_calibration_error", 1e-6, binary_ece, their_binary_ece),
    ("kappa", "scikit-learn cohen_kappa_score", 1e-12, lambda case: agreed(case, "kappa"),
     lambda case: SK.cohen_kappa_score(*flat(case))),
    ("kappa", "torchmetrics multiclass_cohen_kappa", 1e-6, lambda case: agreed(case, "kappa"),
     lambda case: tm.multiclass_cohen_kappa(case[0], case[1], CLASSES, ignore_index=255)),
    ("mcc", "scikit-learn matthews_corrcoef", 1e-12, lambda case: agreed(case, "mcc"),
     lambda case: SK.matthews_corrcoef(*flat(case))),
    ("mcc", "torchmetrics multiclass_matthews_corrcoef", 1e-6, lambda case: agreed(case, "mcc"),
     lambda case: tm.multiclass_matthews_corrcoef(case[0], case[1], CLASSES, ignore_index=255)),
    ("auc", "scikit-learn roc_auc_score, of rounded scores", 1e-12,
     lambda case: ranking.area_under_roc(histogram(case)), lambda case: SK.roc_auc_score(*binned(case))),
    ("auc", "scikit-learn roc_auc_score", 1e-3, lambda case: ranking.area_under_roc(histogram(case)),
     lambda case: SK.roc_auc_score(*flat_scores(case))),
    ("average_precision", "scikit-learn average_precision_score, of rounded scores", 1e-12,
     lambda case: ranking.average_precision(histogram(case)), lambda case: SK.average_precision_score(*binned(case))),
    ("average_precision", "scikit-learn average_precision_score", 1e-2,
     lambda case: ranking.average_precision(histogram(case)),
     lambda case: SK.average_precision_score(*flat_scores(case))),
    ("bootstrap interval", "scipy.stats.bootstrap, other random draws", 1e-2, found_interval, their_interval),
]  # fmt: skip
"""Metric, what it reproduces, the difference allowed, our value, theirs."""


def largest_difference(ours: Function, theirs: Function) -> float:
    """Over ten images, half of them with void; infinite where one side is NaN and the other is not."""
    differences = []
    for seed in range(10):
        case = pair(seed, void=seed > 4)
        found, expected = (np.asarray(call(case), dtype=np.float64).ravel() for call in (ours, theirs))
        if (np.isnan(found) != np.isnan(expected)).any():
            return float("inf")
        differences.append(np.nanmax(np.abs(found - expected)))
    return float(max(differences))


def main() -> None:
    """Prints the table."""
    print("| metric | reproduces | held below | largest difference |\n|---|---|---|---|")
    for name, what, bound, ours, theirs in ROWS:
        print(f"| {name} | {what} | {bound:.0e} | {largest_difference(ours, theirs):.1e} |")


if __name__ == "__main__":
    main()
