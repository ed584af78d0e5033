"""The network and the loss of a config."""

import logging

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from litseg.cli.data.facts import DataFacts
from litseg.data import Source
from litseg.models import SegmentationModel, encoder_normalisation

log = logging.getLogger(__name__)


def build_model(
    cfg: DictConfig, source: Source | DataFacts, pixels: torch.dtype = torch.uint8, weights_follow: bool = False
) -> SegmentationModel:
    """The network in its input wrapper; pretrained encoders bring the mean and std they were trained with.

    Those are in the unit of 8-bit images: images of other `pixels` keep the mean and std of their data set. Where
    weights, mean and std follow from a checkpoint, none are fetched.
    """
    if weights_follow and cfg.get("encoder_weights"):
        cfg = cfg.copy()
        cfg.encoder_weights = None
    network = instantiate(cfg, classes=source.output_channels, in_channels=source.in_channels, _convert_="all")
    mean, std = list(source.mean), list(source.std)
    if cfg.get("encoder_weights") and pixels == torch.uint8:
        mean, std = map(list, encoder_normalisation(cfg.encoder_name, cfg.encoder_weights, source.in_channels))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    log.info("model %s: %s parameters", cfg.get("architecture", type(network).__name__), f"{parameters:,}")
    return SegmentationModel(network, mean, std)


def build_loss(cfg: DictConfig) -> nn.Module:
    """The loss. A compound's own `class_weights` is where its terms take theirs from, not an argument."""
    node = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(node, dict)
    if "terms" in node:
        node.pop("class_weights", None)
    loss = instantiate(node)
    assert isinstance(loss, nn.Module)
    return loss
