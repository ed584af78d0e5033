"""Statistics of a softmax in chunks: values and gradients against autograd on the whole tensor."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from litseg.losses import CrossEntropyLoss
from litseg.losses import softmax_statistics as module
from litseg.losses.softmax_statistics import softmax_statistics

ALL = ("squares", "mass", "squared_mass")


def plain(logits: Tensor, labels: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """With the whole softmax in memory; void pixels have weight 0."""
    log_p = logits.to(weights.dtype).log_softmax(1)
    p = log_p.exp()
    return {
        "label_log_probability": log_p.gather(1, labels) * (weights != 0),
        "squares": p.square().sum(1, keepdim=True) * (weights != 0),
        "mass": (weights * p).sum(2),
        "squared_mass": (weights * p.square()).sum(2),
    }


def problem(dtype: torch.dtype = torch.float64, channels_last: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, 5, 10, 7, generator=generator, dtype=torch.float64)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    logits = logits.to(dtype).contiguous(memory_format=memory_format).flatten(2)
    labels = torch.randint(0, 5, (3, 1, 70), generator=generator)
    weights = torch.rand(3, 1, 70, generator=generator, dtype=torch.float64) * (torch.rand(3, 1, 70) > 0.2)
    return logits, labels, weights if dtype == torch.float64 else weights.float()


def total(statistics: dict[str, Tensor]) -> Tensor:
    """A function in which every entry of every statistic has a slope of its own."""
    return torch.stack(
        [(s.square() * torch.arange(1.0, s.numel() + 1).view_as(s)).sum() for s in statistics.values()]
    ).sum()


@pytest.mark.parametrize("chunk", [1, 40, 5 * 64, 5 * 70, 5 * 150, 10**6])  # parts of an image, one, two and all images
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("wanted", [(), ("mass",), ("squared_mass",), ("squares",), ALL])
def test_as_autograd(chunk: int, channels_last: bool, wanted: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_CHUNK", chunk)
    logits, labels, weights = problem(channels_last=channels_last)
    leaf = logits.clone(memory_format=torch.preserve_format).requires_grad_()
    found = softmax_statistics(leaf, labels, weights, wanted)
    assert set(found) == {"label_log_probability", *wanted}
    reference = logits.clone().requires_grad_()
    expected = {name: value for name, value in plain(reference, labels, weights).items() if name in found}
    assert_close(found, expected)
    (gradient,) = torch.autograd.grad(total(found), leaf)
    assert_close(gradient, torch.autograd.grad(total(expected), reference)[0])
    assert gradient.stride() == logits.stride()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    logits, labels, weights = problem(dtype)
    leaf = logits.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = softmax_statistics(leaf, labels, weights, ALL)
    assert all(value.dtype == torch.float32 for value in found.values())
    reference = logits.clone().requires_grad_()
    expected = plain(reference, labels, weights)
    assert_close(found, expected)
    (gradient,) = torch.autograd.grad(total(found), leaf)
    assert gradient.dtype == dtype
    expected_gradient = torch.autograd.grad(total(expected), reference)[0]
    assert_close(gradient, expected_gradient, atol=1e-3, rtol=1e-2 if dtype == torch.bfloat16 else 2e-3)


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf")])
def test_void_pixels_may_hold_anything(garbage: float) -> None:
    logits, labels, weights = problem()
    results = []
    for filled in (logits, logits.masked_fill(weights == 0, garbage)):
        leaf = filled.clone().requires_grad_()
        found = softmax_statistics(leaf, labels, weights, ALL)
        results.append([*found.values(), torch.autograd.grad(total(found), leaf)[0]])
    for clean, dirty in zip(*results, strict=True):
        assert torch.equal(clean, dirty)


def test_nan_at_a_valid_pixel_shows() -> None:
    logits, labels, _ = problem()
    logits[0, 2, 3] = float("nan")
    assert softmax_statistics(logits, labels, torch.ones(3, 1, 70), ())["label_log_probability"][0, 0, 3].isnan()


def test_a_second_derivative_raises() -> None:
    logits = torch.randn(1, 3, 4, requires_grad=True)
    loss = CrossEntropyLoss()(logits, torch.tensor([[0, 1, 2, 0]]))
    with pytest.raises(RuntimeError, match="no second derivatives"):
        torch.autograd.grad(loss, logits, create_graph=True)


def test_a_confident_pixel_keeps_its_digits() -> None:
    logits = torch.tensor([[[-12.0], [0.0]]])
    found = softmax_statistics(logits, torch.tensor([[[0]]]), torch.ones(1, 1, 1), ())
    assert_close(
        found["label_log_probability"].item(), float(logits.double().log_softmax(1)[0, 0, 0]), rtol=1e-6, atol=0
    )
