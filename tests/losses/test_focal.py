"""Focal loss against hand-computed values, torch and segmentation_models_pytorch."""

import math
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import CrossEntropyLoss, FocalLoss, LossInputs
from litseg.losses.focal import focal
from tests.losses.cases import MODES, make_labels, make_logits, make_void, soft_target, value_and_gradient, with_void

ALPHA = torch.tensor([0.5, 2.0, 1.0, 0.25])


def test_by_hand() -> None:
    logits = torch.tensor([[[math.log(3.0), 0.0], [0.0, math.log(4.0)]]])
    target = torch.tensor([[0, 0]])  # p of the truth: 3/4, 1/5
    expected = -(0.25**2 * math.log(0.75) + 0.8**2 * math.log(0.2)) / 2
    assert_close(FocalLoss(gamma=2.0)(logits, target).item(), expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.7])
def test_softmax_focal_as_written_out(gamma: float) -> None:
    logits, target = make_logits("multiclass", dtype=torch.float64), make_labels("multiclass")
    p = logits.softmax(1).gather(1, target[:, None])[:, 0]
    expected = -ALPHA.double()[target] * (1 - p) ** gamma * p.log()
    assert_close(FocalLoss(gamma=gamma, alpha=ALPHA, reduction="none")(logits, target), expected)
    assert_close(FocalLoss(gamma=gamma, alpha=ALPHA)(logits, target), expected.mean())  # alpha is not in the divisor
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    both = FocalLoss(gamma=gamma, alpha=ALPHA, class_weights=weights)(logits, target)
    assert_close(both, (weights[target] * expected).sum() / weights[target].sum())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("soft", [False, True])
def test_gamma_zero_is_cross_entropy_exactly(mode: Task, reduction: Any, soft: bool) -> None:
    logits = make_logits(mode)
    target = soft_target(mode) if soft else with_void(make_labels(mode), make_void())
    settings: dict[str, Any] = {"class_weights": [1.0, 3.0] if mode == "binary" else ALPHA, "reduction": reduction}
    ours = FocalLoss(mode, gamma=0.0, **settings)(logits, target)
    assert torch.equal(ours, CrossEntropyLoss(mode, **settings)(logits, target))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_sigmoid_focal_as_smp(gamma: float) -> None:
    logits, target = make_logits("binary"), with_void(make_labels("binary"), make_void())
    theirs = smp.losses.FocalLoss("binary", gamma=gamma, ignore_index=255)
    assert_close(FocalLoss("binary", gamma=gamma)(logits, target), theirs(logits, target[:, None]))
    balanced = smp.losses.FocalLoss("binary", alpha=0.25, gamma=gamma, ignore_index=255)
    ours = FocalLoss("binary", gamma=gamma, alpha=[0.75, 0.25])
    assert_close(ours(logits, target), balanced(logits, target[:, None]))


@pytest.mark.parametrize("soft", [False, True])
def test_one_channel_is_two_classes(soft: bool) -> None:
    logit, target = make_logits("binary"), soft_target("binary") if soft else make_labels("binary")
    two = torch.cat([torch.zeros_like(logit), logit], 1)
    settings: dict[str, Any] = {"gamma": 1.5, "alpha": [0.25, 0.75], "class_weights": [1.0, 3.0]}
    both = torch.cat([1 - target, target], 1) if soft else target
    assert_close(FocalLoss("binary", **settings)(logit, target), FocalLoss(**settings)(two, both))


@pytest.mark.parametrize("gamma", [0.01, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [10.0, 17.0, 60.0, 88.0, 1e4])
def test_gradients_near_certainty_are_finite_and_vanish(gamma: float, mode: Task, size: float) -> None:
    target = torch.ones((1, 2, 1) if mode == "multilabel" else (1, 1), dtype=torch.int64)
    logits = torch.full((1, 1, 1) if mode == "binary" else (1, 2, 1), size)
    if mode == "multiclass":
        logits[:, 0] = 0.0
    _, gradient = value_and_gradient(FocalLoss(mode, gamma=gamma, reduction="sum"), logits, target)
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 2e-4
    _, wrong = value_and_gradient(FocalLoss(mode, gamma=gamma, reduction="sum"), -logits, target)
    assert wrong.isfinite().all()
    assert 0.4 < wrong.abs().max() < 30, "a confident mistake keeps its gradient"


@pytest.mark.parametrize("size", [5.0, 15.0, 20.0, 30.0])
def test_sigmoid_keeps_its_digits_near_certainty(size: float) -> None:
    logits, target = torch.full((1, 1, 1), size), torch.ones(1, 1, dtype=torch.int64)
    loss = FocalLoss("binary", gamma=0.5)
    exact = math.log1p(math.exp(-size)) * (1 / (1 + math.exp(size))) ** 0.5
    assert_close(loss(logits, target).item(), exact, rtol=1e-5, atol=0)


def test_soft_multiclass_factor_is_the_total_variation() -> None:
    logits, target = make_logits("multiclass", dtype=torch.float64), soft_target("multiclass")
    distance = (logits.softmax(1) - target).abs().sum(1) / 2
    expected = distance**2 * F.cross_entropy(logits, target, reduction="none")
    assert_close(FocalLoss(reduction="none")(logits, target), expected)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match=r"gamma: got -1, expected a number >= 0"):
        FocalLoss(gamma=-1)
    with pytest.raises(ValueError, match=r"alpha: got \[1.0, -1.0\]"):
        FocalLoss(alpha=[1.0, -1.0])
    inputs = LossInputs(torch.zeros(1, 2, 1), torch.tensor([[0]]))
    with pytest.raises(ValueError, match=r"alpha: got shape \(3,\), expected \(2,\)"):
        focal(inputs, alpha=torch.ones(3))
    with pytest.raises(ValueError, match="gamma"):
        focal(inputs, gamma=float("nan"))


def test_alpha_is_a_buffer() -> None:
    assert FocalLoss(alpha=[1.0, 2.0]).state_dict()["alpha"].tolist() == [1.0, 2.0]
