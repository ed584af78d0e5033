"""The network of a run at the precision, memory format and device that its training evaluated with."""

from dataclasses import dataclass

import torch
from lightning.pytorch.plugins.precision import Precision
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from litseg.cli.load_run import LoadedRun
from litseg.cli.wiring.trainer import build_trainer
from litseg.training import choose_hardware

OLDER = {"deterministic": "off", "trainer": {"compile": False}}
"""Keys that configs of older runs do not have."""


@dataclass(frozen=True)
class Forward:
    """Raw images to logits, as Lightning's Trainer computes them in `test`.

    Attributes:
        model: in evaluation mode, on the device.
        device: where.
        precision: Lightning's plugin: 32-true, bf16-mixed and so on.
        memory_format: of images and convolutions.
    """

    model: torch.nn.Module
    device: torch.device
    precision: Precision
    memory_format: torch.memory_format

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, channels, H, W), on the device, of raw images (N, C, H, W)."""
        with torch.inference_mode(), self.precision.forward_context():
            moved: Tensor = self.precision.convert_input(images.to(self.device, non_blocking=True))
            logits: Tensor = self.model(moved.to(memory_format=self.memory_format))
            return logits


def build_forward(run: LoadedRun, cfg: DictConfig) -> Forward:
    """The run's model on the device that `cfg.trainer` chooses, on one device in any case.

    Args:
        run: its model is moved and converted.
        cfg: the run's config, whose trainer may have other values.

    Raises:
        ValueError: a device or a precision that is not there.
    """
    hardware = choose_hardware(cfg.trainer.accelerator, cfg.trainer.precision, cfg.trainer.channels_last)
    single = OmegaConf.merge(OLDER, cfg)
    assert isinstance(single, DictConfig)
    single.trainer.update(strategy="auto", num_nodes=1, enable_checkpointing=False)
    trainer = build_trainer(single, hardware, 1, [])
    memory_format = torch.channels_last if hardware.channels_last else torch.contiguous_format
    device, precision = trainer.strategy.root_device, trainer.precision_plugin
    model = precision.convert_module(run.model).to(device).to(memory_format=memory_format)  # type: ignore[call-overload]
    if single.trainer.compile:
        model.compile()
    return Forward(model, device, precision, memory_format)
