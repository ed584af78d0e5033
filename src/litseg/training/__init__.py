"""The training loop's parts: the LightningModule, schedules, hardware choice, callbacks."""

from litseg.training.callbacks import EpochLine, Throughput
from litseg.training.hardware import Hardware, choose_hardware
from litseg.training.loss_weights import LossWeights
from litseg.training.module import SegmentationModule
from litseg.training.predictions import PredictionPictures
from litseg.training.schedules import Plateau, schedule

__all__ = [
    "EpochLine", "Hardware", "LossWeights", "Plateau", "PredictionPictures", "SegmentationModule", "Throughput",
    "choose_hardware", "schedule",
]  # fmt: skip
