"""Cross-entropy against hand-computed values and torch."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from litseg.losses import CrossEntropyLoss, LossInputs
from litseg.losses.cross_entropy import cross_entropy
from tests.losses.cases import make_labels, make_logits, make_void, soft_target, value_and_gradient, with_void

WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.25])


def test_by_hand() -> None:
    logits = torch.tensor([[[math.log(3.0), 0.0, 7.0], [0.0, math.log(4.0), 0.0]]])
    target = torch.tensor([[0, 0, 255]])  # p of the truth: 3/4, 1/5
    expected = -(math.log(0.75) + math.log(0.2)) / 2
    assert_close(CrossEntropyLoss()(logits, target).item(), expected)
    weights = torch.tensor([[3.0, 1.0, 1.0]])
    weighted = -(3 * math.log(0.75) + math.log(0.2)) / 4
    assert_close(CrossEntropyLoss()(logits, target, weights).item(), weighted)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_labels_as_torch(smoothing: float, weights: torch.Tensor | None, reduction: Any) -> None:
    logits, target = make_logits("multiclass"), with_void(make_labels("multiclass"), make_void())
    settings: dict[str, Any] = {"label_smoothing": smoothing, "reduction": reduction}
    expected = F.cross_entropy(logits, target, weights, ignore_index=255, **settings)
    assert_close(CrossEntropyLoss(class_weights=weights, **settings)(logits, target), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_soft_targets_as_torch(smoothing: float) -> None:
    logits, target = make_logits("multiclass", dtype=torch.float64), soft_target("multiclass")
    inputs = LossInputs(logits, target)
    expected = F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="none").mean()
    assert_close(cross_entropy(inputs, label_smoothing=smoothing), expected)
    summed = F.cross_entropy(logits, target, WEIGHTS.double(), label_smoothing=smoothing, reduction="sum")
    weighted = cross_entropy(inputs, class_weights=WEIGHTS, label_smoothing=smoothing, reduction="sum")
    assert_close(weighted, summed)
    divisor = (WEIGHTS.view(1, 4, 1, 1) * target).sum()
    assert_close(cross_entropy(inputs, class_weights=WEIGHTS, label_smoothing=smoothing), summed / divisor)


def test_multilabel_as_torch() -> None:
    logits, target = make_logits("multilabel"), make_labels("multilabel").float()
    expected = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    assert_close(CrossEntropyLoss("multilabel")(logits, target), expected.mean())
    assert_close(CrossEntropyLoss("multilabel", reduction="none")(logits, target), expected.mean(1))
    per_channel = WEIGHTS.view(1, 4, 1, 1).expand_as(expected)
    weighted = CrossEntropyLoss("multilabel", class_weights=WEIGHTS)(logits, target)
    assert_close(weighted, (per_channel * expected).sum() / per_channel.sum())
    entries = torch.rand_like(logits).round()  # void per entry
    assert_close(CrossEntropyLoss("multilabel")(logits, target, entries), expected[entries == 1].mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [0.5, 3.0]])
def test_one_channel_is_two_classes(smoothing: float, weights: list[float] | None) -> None:
    logit, target = make_logits("binary"), with_void(make_labels("binary"), make_void())
    two = torch.cat([torch.zeros_like(logit), logit], 1)
    settings: dict[str, Any] = {"class_weights": weights, "label_smoothing": smoothing}
    assert_close(CrossEntropyLoss("binary", **settings)(logit, target), CrossEntropyLoss(**settings)(two, target))


def test_a_wrong_saturated_pixel_has_the_full_gradient() -> None:
    value, gradient = value_and_gradient(CrossEntropyLoss("binary"), torch.full((1, 1, 1), 1e4), torch.tensor([[0]]))
    assert value == 1e4
    assert gradient.item() == 1


@pytest.mark.parametrize("smoothing", [-0.1, 1.5, float("nan")])
def test_label_smoothing_is_a_share(smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"label_smoothing: got .*, expected a number in \[0, 1\]"):
        CrossEntropyLoss(label_smoothing=smoothing)
    with pytest.raises(ValueError, match="label_smoothing"):
        cross_entropy(LossInputs(torch.zeros(1, 2, 1), torch.tensor([[0]])), label_smoothing=smoothing)
