"""The training loop's parts: the LightningModule, schedules, hardware choice, callbacks."""

from litseg.training.callbacks import EpochLine, Throughput
from litseg.training.freezing import FrozenBatchNorm, FrozenEncoder
from litseg.training.hardware import Hardware, choose_hardware
from litseg.training.loss_weights import LossWeights
from litseg.training.module import SegmentationModule
from litseg.training.predictions import PredictionPictures
from litseg.training.schedules import Plateau, schedule
from litseg.training.weight_average import WeightAverage

__all__ = [
    "EpochLine", "FrozenBatchNorm", "FrozenEncoder", "Hardware", "LossWeights", "Plateau", "PredictionPictures",
    "SegmentationModule", "Throughput", "WeightAverage", "choose_hardware", "schedule",
]  # fmt: skip
