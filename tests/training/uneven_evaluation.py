"""Evaluates one seeded U-Net on 5 and on 7 samples with the given number of gloo processes.

Run by test_uneven_evaluation.py:
python -m tests.training.uneven_evaluation DEVICES OUTPUT writes the two confusion matrices as JSON.
"""

import json
import sys
import warnings
from pathlib import Path

import lightning
import torch

from litseg.data import DataModule
from litseg.data.sets.shapes import Shapes
from litseg.losses import CrossEntropyLoss
from litseg.metrics import SegmentationMetrics
from litseg.models import SegmentationModel, create_network
from litseg.training import SegmentationModule, schedule


def build_module(samples: int) -> tuple[SegmentationModule, DataModule]:
    """The network (batch norm included) and `samples` test images in batches of 2."""
    lightning.seed_everything(0, verbose=False)
    network = create_network("unet", "resnet18", None, in_channels=3, classes=6)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # statistics that a rank would get wrong if they were not shared
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
    data = DataModule(Shapes(size=64, train=2, val=2, test=samples), [], batch_size=2, workers=0)
    module = SegmentationModule(
        SegmentationModel(network, [127.5], [60.0]),
        CrossEntropyLoss(),
        SegmentationMetrics(data.source.class_names, "multiclass"),
        "multiclass",
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        lambda optimizer, total_steps: schedule(optimizer, total_steps, "constant"),
    )
    return module, data


class _Keep(lightning.Callback):
    """Keeps the confusion matrix, summed over the ranks, before the module resets it."""

    def on_test_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        metric = pl_module.get_submodule("metrics.test_metrics")
        assert isinstance(metric, SegmentationMetrics)
        metric.sync() if trainer.world_size > 1 else None
        self.confusion = metric.confusion.tolist()
        metric.unsync() if trainer.world_size > 1 else None


def evaluate(samples: int, devices: int) -> list[list[int]]:
    """The confusion matrix of `samples` images on `devices` processes."""
    module, data = build_module(samples)
    keep = _Keep()
    trainer = lightning.Trainer(
        accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", logger=False,
        precision="32-true", enable_progress_bar=False, callbacks=[keep], use_distributed_sampler=False,
    )  # fmt: skip
    trainer.test(module, datamodule=data, verbose=False)
    found: list[list[int]] = keep.confusion
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    matrices = {str(samples): evaluate(samples, int(sys.argv[1])) for samples in (5, 7)}
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        Path(sys.argv[2]).write_text(json.dumps(matrices))
