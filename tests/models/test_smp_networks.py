"""Networks by name: what builds takes any size, what does not says why."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
import yaml

from litseg.models import SegmentationModel, create_network

CONFIGS = sorted((Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"))
CONVOLUTIONS, TIMM, TRANSFORMER = "resnet18", "tu-test_resnet", "mit_b0"
PAIRS: list[tuple[str, str, dict[str, Any]]] = [
    *(
        (architecture, encoder, {})
        for architecture in (
            "Unet",
            "MAnet",
            "FPN",
            "PSPNet",
            "DeepLabV3",
            "DeepLabV3Plus",
            "PAN",
            "UPerNet",
            "Segformer",
        )
        for encoder in (CONVOLUTIONS, TIMM, TRANSFORMER)
    ),
    *(
        (architecture, encoder, {})
        for architecture in ("UnetPlusPlus", "Linknet")
        for encoder in (CONVOLUTIONS, TIMM, "tu-test_convnext")
    ),
    ("DPT", "tu-test_vit", {}),
    ("DPT", "tu-deit_tiny_patch16_224", {}),
    ("DPT", "tu-test_convnext", {"decoder_readout": "ignore"}),  # smp warns of its class token otherwise
]


def model_of(architecture: str, encoder: str, **options: Any) -> SegmentationModel:
    return SegmentationModel(create_network(architecture, encoder, None, 3, 4, **options), [127.0], [50.0])


def images(height: int = 65, width: int = 70) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8)


@pytest.mark.parametrize(("architecture", "encoder", "options"), PAIRS)
@torch.no_grad()
def test_every_architecture_takes_an_odd_size(architecture: str, encoder: str, options: dict[str, Any]) -> None:
    model = model_of(architecture, encoder, **options)
    for training in (True, False):
        logits = model.train(training)(images())
        assert isinstance(logits, torch.Tensor)
        assert logits.shape == (2, 4, 65, 70)
        assert logits.isfinite().all()


@pytest.mark.parametrize("size", [(7, 9), (1, 200), (129, 33)])
@pytest.mark.parametrize("architecture", ["Unet", "PAN", "PSPNet"])
@torch.no_grad()
def test_very_small_and_narrow_images(architecture: str, size: tuple[int, int]) -> None:
    logits = model_of(architecture, TIMM).eval()(images(*size))
    assert isinstance(logits, torch.Tensor)
    assert logits.shape[-2:] == size


@torch.no_grad()
def test_divisible_images_give_what_the_bare_network_gives() -> None:
    model = model_of("Unet", CONVOLUTIONS).eval()
    batch = images(64, 96)
    assert torch.equal(model(batch), model.network((batch.float() - 127) / 50))


def test_the_weights_are_those_that_smp_draws_from_the_same_seed() -> None:
    torch.manual_seed(3)
    ours = create_network("unet", CONVOLUTIONS, None, 3, 2).state_dict()
    torch.manual_seed(3)
    theirs = smp.Unet(CONVOLUTIONS, encoder_weights=None, classes=2).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_capitals_do_not_matter_and_channels_are_as_asked() -> None:
    network = create_network("uNETplusPLUS", TIMM, None, 6, 3, decoder_channels=[32, 16, 16, 8, 8])
    assert isinstance(network, smp.UnetPlusPlus)
    with torch.no_grad():
        assert network.eval()(torch.zeros(1, 6, 32, 64)).shape == (1, 3, 32, 64)


def test_an_encoder_that_smp_renamed_is_found_under_its_old_name() -> None:
    network: Any = create_network("Unet", "timm-regnetx_002", None, 3, 2)
    assert network.encoder.name == "regnetx_002"


@pytest.mark.parametrize(
    ("architecture", "encoder", "options", "stride", "minimum"),
    [
        ("Unet", CONVOLUTIONS, {}, 32, 32),
        ("Unet", CONVOLUTIONS, {"encoder_depth": 3, "decoder_channels": [64, 32, 16]}, 8, 8),
        ("DeepLabV3", CONVOLUTIONS, {}, 8, 8),
        ("PAN", CONVOLUTIONS, {}, 16, 128),  # pools its 1/16 features three times
        ("DPT", "tu-test_vit", {}, 32, 32),  # halves its 1/16 features once more, though its encoder says 16
        ("Unet", "tu-test_maxvit", {}, 160, 160),  # windows of a fixed share of the image
    ],
)
def test_the_network_states_the_sizes_it_takes(
    architecture: str, encoder: str, options: dict[str, Any], stride: int, minimum: int
) -> None:
    network: Any = create_network(architecture, encoder, None, 3, 2, **options)
    assert (network.stride, network.minimum_size, network.maximum_size) == (stride, minimum, None)


@torch.no_grad()
def test_an_encoder_of_fixed_size_asks_for_it() -> None:
    with pytest.raises(ValueError, match=r"one size only.*\+model\.image_size=224"):
        create_network("FPN", "tu-coat_lite_tiny", None, 3, 2)
    model = model_of("FPN", "tu-coat_lite_tiny", image_size=96).eval()
    logits = model(images())
    assert isinstance(logits, torch.Tensor)
    assert logits.shape[-2:] == (65, 70)
    with pytest.raises(ValueError, match="at most 96 pixels"):
        model(images(97, 20))


@torch.no_grad()
def test_a_swin_encoder_takes_any_size() -> None:
    logits = model_of("FPN", "tu-swin_tiny_patch4_window7_224", embed_dim=24, depths=(1, 1, 1, 1)).eval()(images())
    assert isinstance(logits, torch.Tensor)
    assert logits.shape[-2:] == (65, 70)


@pytest.mark.parametrize(
    ("architecture", "encoder", "message"),
    [
        ("Linknet", "mit_b0", r"Linknet with the encoder 'mit_b0' does not fit: .*Encoders that fit .* resnet18"),
        (
            "Unet",
            "tu-test_vit",
            r"does not fit: Unsupported model downsampling pattern\. Encoders that fit .* resnet18",
        ),
        ("DPT", "resnet18", r"Only Timm encoders .* Encoders that fit .* tu-vit_tiny_patch16_224"),
        ("DeepLabV3", "vgg11", "do not support dilated mode.*Encoders that fit .* resnet18"),
        ("DPT", "tu-vit_small_patch14_dinov2", "does not fit.*Encoders that fit"),  # builds, but never runs
    ],
)
def test_a_pair_that_does_not_fit_names_some_that_do(architecture: str, encoder: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        create_network(architecture, encoder, None, 3, 2)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("architecture", "encoder", "options", "message"),
    [
        ("Unett", "resnet18", {}, "no architecture 'Unett'. Nearest: Unet"),
        ("Unet", "resnet19", {}, "no encoder 'resnet19'. Nearest: resnet18"),
        ("Unet", "convnext_tiny", {}, "Nearest: tu-convnext_tiny"),
        ("Unet", "tu-resnet18.a9_in1k", {}, "Nearest: .*tu-resnet18.a1_in1k"),
        ("Unet", "resnet18", {"decoder_chanels": [1]}, "no option 'decoder_chanels'. Nearest: decoder_channels"),
        (
            "Unet",
            "resnet18",
            {"decoder_channels": [8, 8]},
            r"cannot be built with the options decoder_channels=\[8, 8\]: ",
        ),
        ("Unet", "tu-test_resnet", {"drop_path": 0.1}, "cannot be built with the options drop_path=0.1: .*drop_path"),
        ("Unet", "resnet18", {"activation": "softmax"}, "take logits"),
        ("Unet", "resnet18", {"aux_params": {"classes": 2}}, "no target"),
    ],
)
def test_wrong_names_and_options(architecture: str, encoder: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        create_network(architecture, encoder, None, 3, 2, **options)
    assert "\n" not in str(caught.value)


def test_trying_sizes_leaves_no_warning_filter_and_no_random_number_behind() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    filters = list(warnings.filters)
    with pytest.raises(ValueError, match="does not fit"):
        create_network("Linknet", "mit_b0", None, 3, 2)
    assert torch.equal(torch.rand(1), expected)
    assert warnings.filters == filters


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_builds_its_network(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    if config.pop("_target_") != "litseg.models.create_network":
        pytest.skip("a network of its own, not one of smp's")
    assert path.stem == config["architecture"].lower()
    assert config["encoder_weights"] is None
    with torch.no_grad(), torch.device("meta"):
        create_network(**config, in_channels=3, classes=2)


def test_every_architecture_has_a_config() -> None:
    assert {path.stem for path in CONFIGS} >= set(smp.MODEL_ARCHITECTURES_MAPPING)  # and a user's own beside them
