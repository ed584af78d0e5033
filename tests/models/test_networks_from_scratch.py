"""What every network of litseg's own keeps: the wrapper's contract, gradients, batch norm, export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra.utils import instantiate
from torch import Tensor, nn

from litseg.inference import export
from litseg.models import FCN8s, NestedUNet, SegmentationModel, SegNetBasic, UNetS5D16

CONF = Path(__file__).parents[2] / "conf" / "model"
SMALL: dict[str, Callable[[int, int], nn.Module]] = {
    "unet_s5_d16": lambda channels, classes: UNetS5D16(channels, classes, base_channels=4),
    "segnet_basic": lambda channels, classes: SegNetBasic(channels, classes, features=4),
    "nested_unet": lambda channels, classes: NestedUNet(channels, classes, widths=(4, 6, 8)),
    "plain_unet": lambda channels, classes: NestedUNet(channels, classes, nested=False, widths=(4, 6, 8)),
    "fcn8s": lambda channels, classes: FCN8s(channels, classes, widths=(4, 4, 4, 4, 4), wide=8),
}
PARAMETERS = {  # by hand in the tests of each, or as the source counts them
    "unet_s5_d16": 29_060_676,
    "segnet_basic": 1_416_075 - 9 * 65,  # 2 classes in place of CamVid's 11
    "nested_unet": 9_163_329 + 33,  # 2 classes in place of 1
    "fcn8s": 17_346_118,
}
EVERY = pytest.mark.parametrize("name", SMALL)


def _model(name: str, channels: int = 3, classes: int = 4) -> SegmentationModel:
    torch.manual_seed(0)
    network = SMALL[name](channels, classes)
    for module in network.modules():  # FCN's scores begin at 0, mmsegmentation's near it: nothing would come through
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return SegmentationModel(network, [127.0], [60.0])


def _images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_shipped_config_builds_a_network_of_the_known_size(name: str) -> None:
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    with torch.device("meta"):
        network = instantiate(node, in_channels=3, classes=2)
    assert sum(each.numel() for each in network.parameters()) == PARAMETERS[name]


@EVERY
@pytest.mark.parametrize(("size", "channels"), [((64, 32), 3), ((37, 70), 1), ((5, 3), 4)])
def test_images_of_any_size_and_channels(name: str, size: tuple[int, int], channels: int) -> None:
    model = _model(name, channels)
    images = _images(2, channels, *size)
    with torch.no_grad():
        assert model.eval()(images).shape == (2, 4, *size)
    if name == "fcn8s" or max(size) > 32:  # batch norm wants more than one value a channel
        outputs: Any = model.train()(images)
        several = outputs if isinstance(outputs, list) else [outputs]
        assert [tuple(output.shape) for output in several] == [(2, 4, *size)] * (2 if name == "unet_s5_d16" else 1)


@EVERY
def test_the_gradient_reaches_every_parameter(name: str) -> None:
    model = _model(name).train()
    outputs: Any = model(_images(2, 3, 64, 96))
    outputs = outputs if isinstance(outputs, list) else [outputs]
    torch.stack([output.square().mean() for output in outputs]).sum().backward()  # type: ignore[no-untyped-call]
    lost = [key for key, each in model.named_parameters() if each.grad is None or not each.grad.abs().sum() > 0]
    assert not lost


@EVERY
def test_channels_last_and_bfloat16_give_the_same_logits(name: str) -> None:
    model, images = _model(name).eval(), _images(2, 3, 64, 32)
    with torch.no_grad():
        expected = model(images)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        found = model(images.to(memory_format=torch.channels_last))
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(images)
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))
    assert float((rough.float() - expected).abs().mean()) < 0.05 * float(expected.abs().max())


@pytest.mark.parametrize(
    "name", [name if name == "segnet_basic" else pytest.param(name, marks=pytest.mark.faults) for name in SMALL]
)
def test_onnx_takes_any_batch_and_size(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra 'export'")
    model, path = _model(name).eval(), tmp_path / "model.onnx"
    varies = export.export_onnx(model, path, _images(2, 3, 33, 40), {"class_names": list("abcd"), "task": "multiclass"})
    assert varies == "batch and size"
    run = export.open_onnx(path)
    for shape in ((1, 3, 32, 32), (3, 3, 17, 50)):
        found = export.compare(run, model, [_images(*shape)])
        assert found.largest < 1e-4 * max(1.0, found.scale)
        assert found.labels > 0.999
