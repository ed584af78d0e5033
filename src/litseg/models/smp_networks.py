"""Networks by name: every pair of architecture and encoder that segmentation_models_pytorch accepts."""

from typing import Any

import segmentation_models_pytorch as smp
from torch import nn


def create_network(
    architecture: str,
    encoder_name: str,
    encoder_weights: str | None,
    in_channels: int,
    classes: int,
    **options: Any,
) -> nn.Module:
    """First version."""
    network: nn.Module = smp.create_model(
        architecture,
        encoder_name=encoder_name,
        encoder_weights=encoder_weights,
        in_channels=in_channels,
        classes=classes,
        **options,
    )
    return network


def encoder_normalisation(
    encoder_name: str, encoder_weights: str, in_channels: int = 3
) -> tuple[list[float], list[float]]:
    """First version."""
    parameters = smp.encoders.get_preprocessing_params(encoder_name, encoder_weights)
    return [255 * value for value in parameters["mean"]], [255 * value for value in parameters["std"]]
