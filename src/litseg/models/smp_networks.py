"""Networks by name: every pair of architecture and encoder that segmentation_models_pytorch (smp) accepts."""

import inspect
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import timm
from torch import nn

from litseg.models.auxiliary_heads import AuxiliaryHeads
from litseg.models.encoder_names import TIMM, find_architecture, find_encoder, nearest
from litseg.models.encoder_weights import check_weights, with_weights
from litseg.models.input_sizes import InputSizes, RefusedError, find_input_sizes

LENIENT_OPTIONS: tuple[dict[str, Any], ...] = ({}, {"strict_img_size": False}, {"dynamic_img_size": True})
"""What frees timm encoders that insist on their training size: Swin and kin take the second, ViT the third."""
EXAMPLE_ENCODERS = (
    "resnet18",
    "mobilenet_v2",
    "mit_b0",
    "tu-convnext_atto",
    "tu-vit_tiny_patch16_224",
    "tu-deit_tiny_patch16_224",
)
"""One of each family, small: those that fit an architecture are named where another does not."""
NOT_OPTIONS = {
    "activation": "litseg's losses and metrics take logits and apply softmax or sigmoid themselves",
    "aux_params": "it adds a classifier of whole images, for which litseg has no target",
}


def create_network(
    architecture: str,
    encoder_name: str,
    encoder_weights: str | None,
    in_channels: int,
    classes: int,
    auxiliary_heads: int = 0,
    **options: Any,
) -> nn.Module:
    """An smp network by name.

    Args:
        architecture: Unet, UnetPlusPlus, MAnet, Linknet, FPN, PSPNet, DeepLabV3, DeepLabV3Plus, PAN, UPerNet,
            Segformer or DPT, in any capitals.
        encoder_name: one of smp's encoders (`resnet18`) or of timm's (`tu-convnext_tiny`).
        encoder_weights: the name of pretrained weights, "imagenet" for most; None starts from random ones.
        in_channels: channels of the images.
        classes: channels of the logits.
        auxiliary_heads: how many feature maps of the encoder predict the classes too in training, see `AuxiliaryHeads`.
        **options: further arguments of the architecture (`decoder_channels`) or of a timm encoder
            (`drop_path_rate`), and `image_size`: the side in pixels that a timm encoder of fixed size is made for.

    Returns:
        (N, in_channels, H, W) to logits (N, classes, H, W), in training with auxiliary heads to a list of logits, with
        three attributes for `SegmentationModel`: `stride`, which must divide H and W, `minimum_size` and `maximum_size`
        (None: any) of both, in pixels.

    Raises:
        ValueError: an unknown name or option, more heads than feature maps, or a pair that does not fit; the message
            says what does.
        OSError: the weights can neither be fetched nor read.
    """
    if auxiliary_heads < 0:
        raise ValueError(f"model.auxiliary_heads: expected 0 or more, got {auxiliary_heads}")
    network_class, encoder = find_architecture(architecture), find_encoder(encoder_name)
    plan = _Plan(network_class, encoder, in_channels, classes, _checked_options(network_class, encoder, options))
    if encoder_weights is not None:
        check_weights(encoder, encoder_weights)
    plan, sizes = _fitted_or_refused(plan)
    if encoder_weights is None:
        network = plan.build()
    else:
        network = with_weights(encoder, encoder_weights, lambda: plan.build(encoder_weights))
    if auxiliary_heads:  # drawn after the network, whose weights are then the same without them
        network = AuxiliaryHeads(network, auxiliary_heads, classes)
    network.stride, network.minimum_size, network.maximum_size = sizes.stride, sizes.minimum, sizes.maximum
    return network  # type: ignore[no-any-return]  # smp has no types


@dataclass(frozen=True)
class _Plan:
    """What to build."""

    network_class: type
    encoder: str
    in_channels: int
    classes: int
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, encoder_weights: str | None = None) -> Any:
        # smp wants True for timm's encoders, whose name says which weights; it warns of any text.
        weights = True if encoder_weights is not None and self.encoder.startswith(TIMM) else encoder_weights
        return self.network_class(
            encoder_name=self.encoder,
            encoder_weights=weights,
            in_channels=self.in_channels,
            classes=self.classes,
            **self.options,
        )

    def native_size(self) -> int | None:
        """The side, in pixels, of the images that the encoder is made for; None where it has no preference."""
        if not self.encoder.startswith(TIMM):
            return None
        config = timm.models.get_pretrained_cfg(self.encoder.removeprefix(TIMM))
        return self.options.get("img_size") or (config.input_size[-1] if config else None)

    def __str__(self) -> str:
        return f"{self.network_class.__name__} with the encoder '{self.encoder}'"


def _checked_options(network_class: type, encoder: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options with timm's name for `image_size`; smp would swallow an unknown one in silence."""
    for name in options.keys() & NOT_OPTIONS.keys():
        if options[name] is not None:
            raise ValueError(f"The option '{name}' is not for litseg: {NOT_OPTIONS[name]}. Remove it.")
    if encoder.startswith(TIMM):  # takes any option of timm's, which itself refuses those that it does not know
        return {"img_size" if name == "image_size" else name: value for name, value in options.items()}
    known = [name for name in inspect.signature(network_class).parameters if name != "kwargs"]
    for name in options:
        if name not in known:
            raise ValueError(
                f"{network_class.__name__} with the encoder '{encoder}' has no option '{name}'. "
                f"{nearest(name, known)} All: {', '.join(known)}."
            )
    return options


def _fitted_or_refused(plan: _Plan) -> tuple[_Plan, InputSizes]:
    try:
        fitted, sizes = _fitted(plan)
    except RefusedError as error:
        raise ValueError(_refusal(plan, str(error))) from None
    if sizes.maximum is not None and "img_size" not in plan.options:
        raise ValueError(
            f"The encoder '{plan.encoder}' takes images of one size only. Set the option image_size to the longest "
            f"side of the images in pixels (smaller ones are padded to it): +model.image_size={sizes.maximum} is what "
            "it was made for."
        )
    return fitted, sizes


def _fitted(plan: _Plan) -> tuple[_Plan, InputSizes]:
    """The plan with what it takes to accept images of any size where that is possible, and the sizes it accepts."""
    fixed, reasons = [], []
    for lenient in LENIENT_OPTIONS if plan.encoder.startswith(TIMM) else ({},):
        attempt = replace(plan, options=lenient | plan.options)
        try:
            sizes = find_input_sizes(attempt.build, plan.in_channels, plan.native_size())
        except RefusedError as error:
            reasons.append(error)
            continue
        if sizes.maximum is None:
            return attempt, sizes
        fixed.append((attempt, sizes))
    if not fixed:
        raise reasons[0]
    return fixed[0]


def _refusal(plan: _Plan, reason: str) -> str:
    plain = replace(plan, options={})
    if plan.options and _fits(plain):
        names = {"img_size": "image_size"}  # as the user wrote it
        shown = ", ".join(f"{names.get(name, name)}={value}" for name, value in plan.options.items())
        hint = (
            " (image_size must be a multiple of the encoder's stride, 32 for most)"
            if "img_size" in plan.options
            else ""
        )
        return f"{plan} cannot be built with the options {shown}: {reason}{hint}"
    fitting = islice((encoder for encoder in EXAMPLE_ENCODERS if _fits(replace(plain, encoder=encoder))), 3)
    return f"{plan} does not fit: {reason}. Encoders that fit are, for instance, {', '.join(fitting)}."


def _fits(plan: _Plan) -> bool:
    try:
        _fitted(plan)
    except RefusedError:
        return False
    return True
