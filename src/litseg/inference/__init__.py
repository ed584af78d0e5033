"""Prediction: whole images, sliding windows, test-time augmentation, TIFFs larger than memory."""

from litseg.inference.large_images import predict_tiff
from litseg.inference.sliding_window import Block, Grid, Windows, sliding_blocks, sliding_window
from litseg.inference.test_time_augmentation import averaged_over_views
from litseg.inference.tiff_regions import TiffRegions
from litseg.inference.whole_image import labels_of, predict_images, predictor

__all__ = [
    "Block",
    "Grid",
    "TiffRegions",
    "Windows",
    "averaged_over_views",
    "labels_of",
    "predict_images",
    "predict_tiff",
    "predictor",
    "sliding_blocks",
    "sliding_window",
]
