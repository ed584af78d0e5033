"""Mean squared error against hand-computed values and torch."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import CompoundLoss, CrossEntropyLoss, DiceLoss, MSELoss
from tests.losses.cases import MODES, make_labels, make_logits, make_void, soft_target, value_and_gradient, with_void


def test_by_hand() -> None:
    logits = torch.tensor([[[math.log(3.0), 0.0, 7.0], [0.0, math.log(4.0), 0.0]]])
    target = torch.tensor([[0, 0, 255]])  # p of the truth: 3/4, 1/5
    assert_close(MSELoss()(logits, target).item(), (0.25**2 + 0.8**2) / 2)
    assert_close(MSELoss()(logits, target, torch.tensor([[3.0, 1.0, 1.0]])).item(), (3 * 0.25**2 + 0.8**2) / 4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("soft", [False, True])
def test_as_torch(mode: Task, soft: bool) -> None:
    logits, target = make_logits(mode), make_labels(mode)
    one_hot = F.one_hot(target, 4).movedim(-1, 1) if mode == "multiclass" else target.view_as(logits)
    truth = soft_target(mode, dtype=torch.float32) if soft else one_hot.float()

    def theirs(logits: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(logits.softmax(1) if mode == "multiclass" else logits.sigmoid(), truth)

    leaf = logits.clone().requires_grad_()
    expected = theirs(leaf)
    (wanted,) = torch.autograd.grad(expected, leaf)
    value, gradient = value_and_gradient(MSELoss(mode), logits, truth if soft else target)
    assert_close(value, expected.detach())
    assert_close(gradient, wanted, rtol=1e-5, atol=1e-8)


def test_class_weights_are_those_of_the_label() -> None:
    weights = torch.tensor([0.5, 2.0, 1.0, 0.25])
    logits, target = make_logits("multiclass"), with_void(make_labels("multiclass"), make_void())
    each = MSELoss(reduction="none")(logits, target)
    of_pixels = torch.where(target == 255, 0.0, weights[target.clamp_max(3)])
    assert_close(MSELoss(class_weights=weights)(logits, target), (of_pixels * each).sum() / of_pixels.sum())


@pytest.mark.parametrize("soft", [False, True])
def test_one_channel_is_two_classes(soft: bool) -> None:
    logit, target = make_logits("binary"), soft_target("binary") if soft else make_labels("binary")
    two, both = torch.cat([torch.zeros_like(logit), logit], 1), torch.cat([1 - target, target], 1) if soft else target
    settings: dict[str, Any] = {"class_weights": [1.0, 3.0]}
    assert_close(MSELoss("binary", **settings)(logit, target), MSELoss(**settings)(two, both))


@pytest.mark.parametrize("size", [1.0, 5.0, 8.0, 10.0, 14.0, 17.0, 30.0, 1e4])
def test_near_certainty_it_is_never_negative_and_of_the_right_size(size: float) -> None:
    logits, target = torch.tensor([0.3, 0.1, -0.4, 0.0]).view(1, 4, 1), torch.zeros(1, 1, dtype=torch.int64)
    logits[0, 0] += size
    value, gradient = value_and_gradient(MSELoss(), logits, target)
    exact, exact_gradient = value_and_gradient(MSELoss(), logits.double(), target)
    direct = (logits.double().softmax(1) - F.one_hot(target, 4).movedim(-1, 1)).square().mean()
    rounding = 1e-14  # of log p, squared: there p = 1 in float32
    assert_close(exact, direct, rtol=1e-6, atol=rounding)
    assert 0.5 * direct - rounding <= value.double() <= 2 * direct + rounding
    assert value >= 0
    assert (gradient - exact_gradient).abs().max() < 1e-6


@pytest.mark.parametrize("size", [-5.0, -17.0, -1e4])
def test_a_confident_mistake(size: float) -> None:
    logits = torch.tensor([size, 0.0]).view(1, 2, 1)
    assert_close(MSELoss()(logits, torch.zeros(1, 1, dtype=torch.int64)).item(), 1 / (1 + math.exp(size)) ** 2)


def test_in_a_compound_it_is_what_it_is_alone() -> None:
    logits, target = make_logits("multiclass"), with_void(make_labels("multiclass"), make_void())
    for other in (CrossEntropyLoss(), CrossEntropyLoss(label_smoothing=0.1), DiceLoss()):
        compound = CompoundLoss({"mse": (1.0, MSELoss()), "other": (0.0, other)})
        assert_close(compound(logits, target), MSELoss()(logits, target))
