"""Pretrained weights of encoders: which exist, whether they can be had here, and the normalisation they expect."""

from collections.abc import Callable
from typing import Any, TypeVar

import huggingface_hub
import segmentation_models_pytorch as smp
import timm
from huggingface_hub import constants

from litseg.models.encoder_names import TIMM, find_encoder, timm_tags
from litseg.models.input_sizes import first_line

T = TypeVar("T")
SECONDS_TO_ANSWER = 5.0
"""How long the hub may take to say anything at all; it then has its own, longer limits for the download."""


def check_weights(encoder_name: str, encoder_weights: str) -> None:
    """Checks that pretrained weights of this name exist.

    Args:
        encoder_name: as `find_encoder` returns it.
        encoder_weights: their name; "imagenet" for timm's encoders, whose own name may choose among several.

    Raises:
        ValueError: they do not exist; the message names those that do.
    """
    if not encoder_name.startswith(TIMM):
        names = list(smp.encoders.encoders[encoder_name]["pretrained_settings"])
        if encoder_weights not in names:
            raise ValueError(_no_such_weights(encoder_name, encoder_weights, f"It has: {', '.join(names)}."))
        return
    model = encoder_name.removeprefix(TIMM)
    if not timm.models.is_model_pretrained(model):
        raise ValueError(_no_such_weights(encoder_name, encoder_weights, "Nobody has published any for it."))
    if encoder_weights != "imagenet":
        base = model.partition(".")[0]
        tags = ", ".join(f"{TIMM}{base}.{tag}" for tag in timm_tags(base))
        hint = f"Write encoder_weights: imagenet; the encoder_name chooses among several: {tags}."
        raise ValueError(_no_such_weights(encoder_name, encoder_weights, hint))


def _no_such_weights(encoder_name: str, encoder_weights: str, hint: str) -> str:
    return f"The encoder '{encoder_name}' has no weights '{encoder_weights}'. {hint} null trains from scratch."


def with_weights(encoder_name: str, encoder_weights: str, load: Callable[[], T]) -> T:
    """Runs what reads the weights; where they are neither here nor to be fetched, it fails at once and clearly.

    Args:
        encoder_name: as `find_encoder` returns it.
        encoder_weights: as `check_weights` has passed it.
        load: reads the weights or their description.

    Returns:
        What `load` returns.

    Raises:
        OSError: the weights cannot be fetched or read; the message says how to go on.
    """
    source = _source(encoder_name, encoder_weights)
    try:
        if source is not None and not _is_cached(*source):
            # The hub's own client would try six times, some 25 seconds, before it says that there is no network.
            huggingface_hub.get_session().head(constants.ENDPOINT, timeout=SECONDS_TO_ANSWER)
        return load()
    except Exception as error:  # the network itself has been built before, without weights: only they can fail here
        raise OSError(_unavailable(encoder_name, encoder_weights, error)) from error


def _source(encoder_name: str, encoder_weights: str) -> tuple[str, str | None, tuple[str, ...]] | None:
    """Where the weights lie on the hub: (repository, revision, file names of which one will do); None: elsewhere."""
    if not encoder_name.startswith(TIMM):
        settings = smp.encoders.encoders[encoder_name]["pretrained_settings"][encoder_weights]
        return settings["repo_id"], settings["revision"], ("model.safetensors",)
    config = timm.models.get_pretrained_cfg(encoder_name.removeprefix(TIMM))
    if config is None or not config.hf_hub_id:
        return None
    names = (config.hf_hub_filename,) if config.hf_hub_filename else ("model.safetensors", "pytorch_model.bin")
    return config.hf_hub_id, None, names


def _is_cached(repository: str, revision: str | None, names: tuple[str, ...]) -> bool:
    found = (huggingface_hub.try_to_load_from_cache(repository, name, revision=revision) for name in names)
    return any(isinstance(path, str) for path in found)


def _unavailable(encoder_name: str, encoder_weights: str, error: Exception) -> str:
    return (
        f"The weights '{encoder_weights}' of the encoder '{encoder_name}' could not be loaded, neither from "
        f"{constants.ENDPOINT} nor from the cache {constants.HF_HUB_CACHE} ({first_line(error)}). "
        "Either train from scratch with model.encoder_weights=null, or run the same command once on a machine with "
        "network and copy its cache here (HF_HOME names the folder above it)."
    )


def encoder_normalisation(
    encoder_name: str, encoder_weights: str, in_channels: int = 3
) -> tuple[list[float], list[float]]:
    """The mean and standard deviation of the images that pretrained weights expect.

    Args:
        encoder_name: as for `create_network`.
        encoder_weights: the weights' name.
        in_channels: channels of the images. smp and timm give channel i the weights of channel i mod 3, so it gets
            that channel's values, too; one channel gets the sum of the weights, so it gets the average.

    Returns:
        (mean, std), each with in_channels values, in the unit of 8-bit images (0 to 255).

    Raises:
        ValueError: there is no such encoder, it has no such weights, or they expect another order than RGB.
        OSError: their description can be neither fetched nor read.
    """
    name = find_encoder(encoder_name)
    check_weights(name, encoder_weights)
    parameters = _expected_images(name, encoder_weights)
    if parameters["input_space"] != "RGB":
        raise ValueError(
            f"The weights '{encoder_weights}' of the encoder '{encoder_name}' expect {parameters['input_space']} "
            "images, litseg reads RGB. Choose other weights, or encoder_weights: null."
        )
    unit = 255 / parameters["input_range"][1]
    return (
        [unit * value for value in _per_channel(parameters["mean"], in_channels)],
        [unit * value for value in _per_channel(parameters["std"], in_channels)],
    )


def _expected_images(encoder_name: str, encoder_weights: str) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        parameters: dict[str, Any] = smp.encoders.get_preprocessing_params(encoder_name, encoder_weights)
        return parameters

    if encoder_name.startswith(TIMM):
        return read()  # timm itself knows
    return with_weights(encoder_name, encoder_weights, read)


def _per_channel(values: list[float], channels: int) -> list[float]:
    if channels == 1:
        return [sum(values) / len(values)]
    return [values[channel % len(values)] for channel in range(channels)]
