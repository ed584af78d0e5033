import pytest
import torch
import torch.nn.functional as F

from litseg.models import SegNetBasic
from litseg.models.segnet_basic import unpooled


def test_the_parameters_counted_by_hand() -> None:
    """The paper says 1.425 M, in steps of 0.025 M."""
    network = SegNetBasic(3, 11)
    convolutions = 49 * 3 * 64 + 7 * 49 * 64 * 64
    assert convolutions + 8 * 2 * 64 + 11 * 65 == 1_416_075
    assert sum(each.numel() for each in network.parameters()) == 1_416_075
    assert round(1_416_075 / 25_000) * 0.025 == pytest.approx(1.425)


def test_maxima_go_back_to_their_places() -> None:
    images = torch.tensor([[[[1.0, 2, 0, 0], [4, 3, 0, 5]]]])
    maxima, places = F.max_pool2d(images, 2, return_indices=True)
    assert unpooled(maxima, places).tolist() == [[[[0, 0, 0, 0], [4, 0, 0, 5]]]]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_unpooling_and_its_gradient_are_torchs(memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 8, 12).relu().to(memory_format=memory_format)  # ReLU: windows of zeros
    maxima, places = F.max_pool2d(images, 2, return_indices=True)
    maxima.requires_grad_()
    weights = torch.randn(2, 3, 8, 12)
    ours, theirs = unpooled(maxima, places), F.max_unpool2d(maxima, places, [2, 2])
    assert torch.equal(ours, theirs)
    gradients = [torch.autograd.grad((each * weights).sum(), maxima)[0] for each in (ours, theirs)]
    assert torch.equal(*gradients)


def test_the_response_normalisation_by_hand() -> None:
    """Of raw values: x / (1 + 1e-4 / 5 * (10^2 + 100^2 + 200^2))^0.75."""
    pixel = torch.tensor([10.0, 100.0, 200.0]).view(1, 3, 1, 1)
    expected = pixel / (1 + 1e-4 / 5 * (10**2 + 100**2 + 200**2)) ** 0.75
    assert torch.allclose(SegNetBasic(3, 2, features=4).response_norm(pixel), expected)


def test_the_first_weights_and_no_relu_in_the_decoder() -> None:
    torch.manual_seed(0)
    network = SegNetBasic(3, 11).eval()
    second = network.encoder[1].get_parameter("0.weight").detach()
    assert abs(float(second.std()) - (2 / (49 * 64)) ** 0.5) < 1e-3
    shifts = torch.stack([each.get_parameter("1.bias").detach() for each in (*network.encoder, *network.decoder)])
    assert torch.equal(shifts, torch.full((8, 64), 0.001))
    seen: list[torch.Tensor] = []
    network.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(torch.rand(1, 3, 16, 32) * 255)
    assert float(seen[0].min()) < 0
