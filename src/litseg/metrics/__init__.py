"""Metrics: dataset-level scores from one integer confusion matrix, and what an evaluation adds to them."""

from litseg.metrics.batch_iou import batch_iou
from litseg.metrics.boundary_metrics import BoundaryMetrics
from litseg.metrics.calibration import Calibration
from litseg.metrics.evaluation import EvaluationMetrics
from litseg.metrics.image_scores import ImageConfusion
from litseg.metrics.intervals import bootstrap_intervals, bootstrap_replicates
from litseg.metrics.ranking import ScoreHistogram
from litseg.metrics.segmentation_metrics import SegmentationMetrics

__all__ = [
    "BoundaryMetrics",
    "Calibration",
    "EvaluationMetrics",
    "ImageConfusion",
    "ScoreHistogram",
    "SegmentationMetrics",
    "batch_iou",
    "bootstrap_intervals",
    "bootstrap_replicates",
]
