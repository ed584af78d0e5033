"""Prediction: whole images, sliding windows, test-time augmentation, TIFFs larger than memory."""

from litseg.inference.painting import SCALE, paint
from litseg.inference.sliding_window import Block, Grid, Windows, reader_of, sliding_blocks, sliding_window
from litseg.inference.test_time_augmentation import View, averaged_over_views
from litseg.inference.tiff_canvas import TiffCanvas
from litseg.inference.tiff_regions import TiffRegions
from litseg.inference.whole_image import enlarged, labels_of, predict_images, predictor

__all__ = [
    "SCALE", "Block", "Grid", "TiffCanvas", "TiffRegions", "View", "Windows", "averaged_over_views", "enlarged",
    "labels_of", "paint", "predict_images", "predictor", "reader_of", "sliding_blocks", "sliding_window",
]  # fmt: skip
