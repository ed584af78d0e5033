"""The training loop's parts: the LightningModule, schedules, hardware choice, checkpoints, callbacks.

The names below are imported when they are first asked for: signals are heeded before torch and Lightning are there.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from litseg.training.callbacks import EpochLine, Throughput
    from litseg.training.checkpoint_files import CheckpointError, NonFiniteError, WholeFiles, load_checkpoint
    from litseg.training.checkpoint_folder import newest_checkpoint, step_of
    from litseg.training.checkpoints import Checkpoints, SaveError
    from litseg.training.figures import Figures
    from litseg.training.finite_steps import FiniteSteps
    from litseg.training.freezing import FrozenBatchNorm, FrozenEncoder
    from litseg.training.hardware import Hardware, choose_hardware
    from litseg.training.loss_weights import LossWeights
    from litseg.training.module import SegmentationModule
    from litseg.training.predictions import PredictionPictures
    from litseg.training.schedules import Plateau, schedule
    from litseg.training.seeded_steps import SeededSteps
    from litseg.training.stopping import Stopped, StopRequest
    from litseg.training.transfer import load_weights
    from litseg.training.weight_average import WeightAverage

__all__ = [
    "CheckpointError",
    "Checkpoints",
    "EpochLine",
    "Figures",
    "FiniteSteps",
    "FrozenBatchNorm",
    "FrozenEncoder",
    "Hardware",
    "LossWeights",
    "NonFiniteError",
    "Plateau",
    "PredictionPictures",
    "SaveError",
    "SeededSteps",
    "SegmentationModule",
    "StopRequest",
    "Stopped",
    "Throughput",
    "WeightAverage",
    "WholeFiles",
    "choose_hardware",
    "load_checkpoint",
    "load_weights",
    "newest_checkpoint",
    "schedule",
    "step_of",
]

_MODULES: Final = {
    "callbacks": ("EpochLine", "Throughput"),
    "checkpoint_files": ("CheckpointError", "NonFiniteError", "WholeFiles", "load_checkpoint"),
    "checkpoint_folder": ("newest_checkpoint", "step_of"),
    "checkpoints": ("Checkpoints", "SaveError"),
    "figures": ("Figures",),
    "finite_steps": ("FiniteSteps",),
    "freezing": ("FrozenBatchNorm", "FrozenEncoder"),
    "hardware": ("Hardware", "choose_hardware"),
    "loss_weights": ("LossWeights",),
    "module": ("SegmentationModule",),
    "predictions": ("PredictionPictures",),
    "schedules": ("Plateau", "schedule"),
    "seeded_steps": ("SeededSteps",),
    "stopping": ("StopRequest", "Stopped"),
    "transfer": ("load_weights",),
    "weight_average": ("WeightAverage",),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
