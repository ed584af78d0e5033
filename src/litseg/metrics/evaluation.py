"""Everything that an evaluation reports, from one pass over the data."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from litseg.labels import IGNORE_INDEX, Task
from litseg.metrics import ranking
from litseg.metrics.agreement import agreement
from litseg.metrics.boundary_metrics import BoundaryMetrics
from litseg.metrics.calibration import Calibration, confidences, expected_calibration_error, reliability
from litseg.metrics.curves import precision_recall_curve, threshold_curve
from litseg.metrics.image_scores import ImageConfusion, image_scores
from litseg.metrics.inputs import check_batch, is_broken, pieces, predicted_labels
from litseg.metrics.intervals import bootstrap_intervals
from litseg.metrics.per_image import named
from litseg.metrics.scores import scores
from litseg.metrics.tables import class_rows, image_rows

Part = Literal["boundary", "calibration", "ranking"]
PARTS: tuple[Part, ...] = get_args(Part)


class EvaluationMetrics(nn.Module):
    """All metrics of a task, exact under any split into batches and ranks; plain data comes out.

    Memory does not grow with pixels: an image leaves its confusion matrix and some numbers of its boundaries.

    Args:
        class_names: as in `SegmentationMetrics`.
        task: see `litseg.labels.Task`.
        parts: what to measure besides the confusion matrix.
        boundary: settings of `BoundaryMetrics`: width, tolerance, unit.
        thresholds: of each class, chosen on validation data (`best_thresholds`), to report Dice and IoU at.
        ignore_index: the void label.

    Raises:
        ValueError: settings that do not fit.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        task: Task,
        parts: Collection[Part] = PARTS,
        boundary: Mapping[str, Any] | None = None,
        thresholds: Mapping[str, float] | None = None,
        ignore_index: int = IGNORE_INDEX,
    ) -> None:
        super().__init__()
        if unknown := set(parts) - set(PARTS):
            raise ValueError(f"parts: got {sorted(unknown)}, expected some of {', '.join(PARTS)}")
        self.class_names = tuple(class_names)
        self.task: Task = task
        self.given_thresholds, self.ignore_index = thresholds, ignore_index
        self.images_counted = ImageConfusion(self.class_names, task, ignore_index)
        self.scored_names = self.class_names[1:] if task == "binary" else self.class_names
        channels = len(self.scored_names)
        self.parts = nn.ModuleDict()
        if "boundary" in parts:
            settings = {"ignore_index": ignore_index, **(boundary or {})}
            self.parts["boundary"] = BoundaryMetrics(self.class_names, task, **settings)
        if "calibration" in parts:
            self.parts["calibration"] = Calibration(1 if task == "multiclass" else channels)
        if "ranking" in parts:
            self.parts["ranking"] = ranking.ScoreHistogram(channels, ignore_index)

    def update(self, logits: Tensor, target: Tensor, ids: Sequence[str]) -> None:
        """Measure a batch.

        Args:
            logits: raw scores (N, C, H, W), C 1 in binary mode; averaged probabilities come as log p (multiclass), or
                log (p / (1 - p)).
            target: integer labels (N, H, W), in multilabel mode (N, C, H, W).
            ids: names of the images.

        Raises:
            ValueError: a shape, a dtype or a label that does not fit, NaN among the logits.
        """
        check_batch(logits, target, self.task, len(self.class_names))
        if is_broken(logits):
            raise ValueError(f"logits: got NaN or infinity in the images {list(ids)}, expected finite numbers")
        labels = predicted_labels(logits, self.task)
        self.images_counted.update(labels, target, ids)
        if "boundary" in self.parts:
            self._part("boundary").update(labels, target)
        if "calibration" in self.parts or "ranking" in self.parts:
            for each in pieces(logits, labels, target):
                self._update_probabilities(*each)

    def _update_probabilities(self, logits: Tensor, labels: Tensor, target: Tensor) -> None:
        multiclass = self.task == "multiclass"
        logits = logits.contiguous().float()  # channels last is slow here
        probabilities = logits.softmax(1) if multiclass else logits.sigmoid()
        if "calibration" in self.parts:
            measured = confidences(probabilities, labels, target, self.task, self.ignore_index)
            self._part("calibration").update(*measured)
        if "ranking" in self.parts:
            log_odds = probabilities.logit_() if multiclass else logits
            self._part("ranking").update(log_odds, target.unsqueeze(1) if self.task == "binary" else target)

    def _part(self, part: Part) -> Any:
        return self.parts[part]

    def compute(self) -> dict[str, float]:
        """All scores by name; NaN where one is not defined. Each metric's module says what its names mean."""
        matrices = self.images_counted.compute()[1]
        result = self._of_confusion(matrices.sum(0)) | image_scores(matrices, self.class_names)
        if "boundary" in self.parts:
            result |= self._part("boundary").compute()
        if "calibration" in self.parts:
            result |= self._calibration()
        if "ranking" in self.parts:
            result |= self._ranking()
        return {name: float(value) for name, value in result.items()}

    def _of_confusion(self, confusion: Tensor) -> dict[str, Tensor]:
        return scores(confusion, self.class_names) | agreement(confusion, self.class_names)

    def _calibration(self) -> dict[str, Tensor]:
        """`ece` over all pixels (multilabel: all entries), and in multilabel mode `ece/<class>`."""
        counts = self._part("calibration").compute()
        per_class = named("ece", expected_calibration_error(counts), self.class_names) if len(counts) > 1 else {}
        return per_class | {"ece": expected_calibration_error(counts.sum(0))}

    def _ranking(self) -> dict[str, Tensor]:
        histogram = self._part("ranking").compute()
        result = named("auc", ranking.area_under_roc(histogram), self.scored_names)
        result |= named("average_precision", ranking.average_precision(histogram), self.scored_names)
        if self.given_thresholds is not None:
            chosen = torch.tensor([self.given_thresholds.get(name, math.nan) for name in self.scored_names])
            dice, iou = ranking.overlap_at(histogram, chosen)
            result |= named("dice_at_threshold", dice, self.scored_names)
            result |= named("iou_at_threshold", iou, self.scored_names)
        return result

    def best_thresholds(self) -> dict[str, float]:
        """The threshold of the highest Dice of each class (multiclass: against the rest). For validation data only."""
        chosen = ranking.best_thresholds(self._part("ranking").compute()).tolist()
        return {name: value for name, value in zip(self.scored_names, chosen, strict=True) if not math.isnan(value)}

    def confusion(self) -> list[Any]:
        """Counts over the data set, rows the truth: C x C; multilabel one [absent, present] matrix a class."""
        return self.images_counted.compute()[1].sum(0).tolist()

    def intervals(self, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> dict[str, tuple[float, float]]:
        """Bootstrap intervals of the scores of the confusion matrix, see `bootstrap_intervals`."""
        return bootstrap_intervals(self.images_counted.compute()[1], self._of_confusion, level, resamples, seed)

    def classes(self, intervals: Mapping[str, tuple[float, float]] | None = None) -> list[dict[str, Any]]:
        """A row a class: its scores, `threshold` as given, and `iou_low` and `iou_high` where intervals are given."""
        return class_rows(self.compute(), self.class_names, self.given_thresholds, intervals)

    def images(self) -> list[dict[str, Any]]:
        """A row an image: `id`, `image_miou`, `image_mdice`, `valid_pixels`, `iou/<class>`; worst `image_miou` first.

        An image of void comes last. In multilabel mode `valid_pixels` counts entries, one a pixel and class.
        """
        return image_rows(*self.images_counted.compute(), self.class_names)

    def curves(self, points: int = 101) -> dict[str, Any]:
        """Precision and recall, and Dice and IoU by threshold, at so many points each; and the reliability diagram.

        Thresholds of `precision_recall` are those that give recalls of 0 to 1 in equal steps, as nearly as they come;
        those of `threshold_dice` are equally spaced. Classes that are in no pixel are left out.
        """
        result: dict[str, Any] = {}
        if "ranking" in self.parts:
            histogram = self._part("ranking").compute()
            result |= {"classes": [], "precision_recall": {}, "threshold_dice": {}}
            for name, one in zip(self.scored_names, histogram.unsqueeze(1).unbind(), strict=True):
                if one[:, 1].any():
                    result["classes"].append(name)
                    result["precision_recall"][name] = precision_recall_curve(one, points)
                    result["threshold_dice"][name] = threshold_curve(one, points)
        if "calibration" in self.parts:
            counts = self._part("calibration").compute().sum(0)
            result["reliability"] = reliability(counts) | {"ece": float(expected_calibration_error(counts))}
        return result

    def reset(self) -> None:
        """Begin anew."""
        for metric in (self.images_counted, *self.parts.values()):
            cast(Any, metric).reset()
