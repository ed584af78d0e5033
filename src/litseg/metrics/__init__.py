"""Metrics: dataset-level scores from one integer confusion matrix."""

from litseg.metrics.segmentation_metrics import SegmentationMetrics

__all__ = ["SegmentationMetrics"]
