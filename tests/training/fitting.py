"""A small U-Net and data, and one way to train it, for the tests of recipes."""

from pathlib import Path
from typing import Any

import lightning
import torch
from torch import nn

from litseg.data import DataModule
from litseg.data.sets.shapes import Shapes
from litseg.losses import CrossEntropyLoss
from litseg.metrics import SegmentationMetrics
from litseg.models import SegmentationModel, create_network
from litseg.training import SegmentationModule, schedule


def unet_module(heads: int = 0, **options: Any) -> SegmentationModule:
    """A U-Net of 6 classes with SGD at a constant rate, with auxiliary heads or none; `options` go to the module."""
    torch.manual_seed(0)
    network = create_network("unet", "resnet18", None, 3, 6, heads, decoder_channels=[16, 16, 8, 8, 8])
    return _module(network, options)


def small_module(**options: Any) -> SegmentationModule:
    """Two convolutions with batch norm and dropout, where only speed matters."""
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(8, 6, 1)]
    torch.manual_seed(0)
    return _module(nn.Sequential(*layers), options)


def _module(network: nn.Module, options: dict[str, Any]) -> SegmentationModule:
    settings: dict[str, Any] = {
        "optimizer": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9, weight_decay=0.01),
        "scheduler": lambda optimizer, total_steps: schedule(optimizer, total_steps, "constant"),
    }
    return SegmentationModule(
        SegmentationModel(network, [127.5], [60.0]),
        options.pop("loss", CrossEntropyLoss()),
        SegmentationMetrics([f"class{index}" for index in range(6)], "multiclass"),
        "multiclass",
        **settings | options,
    )


def small_data(train: int = 8) -> DataModule:
    """Shapes of 32 x 32, batches of 2."""
    return DataModule(Shapes(size=32, train=train, val=4, test=2), [], batch_size=2, workers=0)


def trainer_for(folder: Path, **options: Any) -> lightning.Trainer:
    """A Trainer on the CPU; `options` go to it."""
    settings: dict[str, Any] = {"max_epochs": 1, "enable_checkpointing": False, "num_sanity_val_steps": 0}
    return lightning.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=folder, use_distributed_sampler=False, **settings | options,
    )  # fmt: skip
