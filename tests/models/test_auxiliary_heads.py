"""Auxiliary heads on every shipped network: they train, and evaluation does not know of them."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from litseg.models import SegmentationModel, create_network

CONF = Path(__file__).parents[2] / "conf" / "model"
CONFIGS = sorted(path for path in CONF.glob("*.yaml") if "litseg.models.create_network" in path.read_text())
HEADS = "auxiliary_heads."


def model_of(path: Path, heads: int, **options: Any) -> SegmentationModel:
    """The config's network, with the encoder's name and the seed alike."""
    settings = yaml.safe_load(path.read_text()) | {"auxiliary_heads": heads} | options
    assert settings.pop("_target_") == "litseg.models.create_network"
    torch.manual_seed(0)
    return SegmentationModel(create_network(in_channels=3, classes=4, **settings), [127.0], [50.0])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_network_trains_with_heads_and_evaluates_as_without(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["auxiliary_heads"] == 0
    model, plain = model_of(path, 2), model_of(path, 0)
    images = torch.randint(0, 256, (2, 3, 65, 70), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(model.eval()(images), plain.eval()(images))  # drawn alike, too
    outputs = model.train()(images)
    assert [tuple(output.shape) for output in outputs] == [(2, 4, 65, 70)] * 3
    torch.stack([output.square().mean() for output in outputs]).sum().backward()  # type: ignore[no-untyped-call]
    heads = {name: each for name, each in model.named_parameters() if HEADS in name}
    assert len(heads) == 2 * 5  # convolution, scale and shift, classes and their bias
    assert all(each.grad is not None and bool(each.grad.abs().sum() > 0) for each in heads.values())
    before = {name: each.detach().clone() for name, each in heads.items()}
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert all(not torch.equal(before[name], each) for name, each in heads.items())
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if HEADS not in name})
    with torch.no_grad():
        after = model.eval()(images)
        assert isinstance(after, torch.Tensor)
        assert torch.equal(after, plain.eval()(images))


@pytest.mark.parametrize(
    ("architecture", "encoder", "most"),
    [("unet", "resnet18", 4), ("unet", "mit_b0", 3), ("pspnet", "resnet18", 2), ("fpn", "tu-test_convnext", 3)],
)
def test_heads_are_counted_from_the_deepest_map_but_one(architecture: str, encoder: str, most: int) -> None:
    network: Any = create_network(architecture, encoder, None, 3, 2, auxiliary_heads=most)
    channels = network.encoder.out_channels
    taken = [head[0].in_channels for head in network.auxiliary_heads]
    assert taken == [each for each in channels[1:-1][::-1] if each][:most]
    with torch.no_grad():
        assert isinstance(network.eval()(torch.zeros(1, 3, 64, 64)), torch.Tensor)
    assert network.stride == create_network(architecture, encoder, None, 3, 2).stride
    message = rf"model\.auxiliary_heads: expected 0 to {most} for .* got {most + 1}"
    with pytest.raises(ValueError, match=message):
        create_network(architecture, encoder, None, 3, 2, auxiliary_heads=most + 1)
    with pytest.raises(ValueError, match=r"model\.auxiliary_heads: expected 0 or more, got -1"):
        create_network(architecture, encoder, None, 3, 2, auxiliary_heads=-1)


def test_the_gradient_passes_the_decoder_by() -> None:
    """With a head's loss alone the deepest stage of the encoder and the decoder get none."""
    network: Any = create_network("unet", "resnet18", None, 3, 2, auxiliary_heads=1)
    network.train()(torch.rand(2, 3, 64, 64))[1].sum().backward()
    assert all(each.grad is None for each in network.decoder.parameters())
    assert network.encoder.layer4[0].conv1.weight.grad is None
    assert float(network.encoder.layer3[0].conv1.weight.grad.abs().sum()) > 0


def test_it_exports_as_without_heads() -> None:
    model = model_of(CONFIGS[[path.stem for path in CONFIGS].index("unet")], 1).eval()
    images = torch.randint(0, 256, (2, 3, 40, 64), dtype=torch.uint8)
    program = torch.export.export(model, (images,))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(images), model(images))
