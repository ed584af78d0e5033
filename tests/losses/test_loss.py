"""The base class: its constructor, and a loss of one's own."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from litseg.losses import CompoundLoss, CrossEntropyLoss, Loss, LossInputs


class BrierLoss(Loss):
    """What a user writes: the contract comes with the base class."""

    def compute(self, inputs: LossInputs) -> Tensor:
        squares = (inputs.probabilities - inputs.target).square().sum(1, keepdim=True)
        return (inputs.weights * squares).sum() / inputs.weights.sum().clamp_min(1)


def test_an_own_loss_is_one_method() -> None:
    logits = torch.tensor([[[0.0, 9.0], [0.0, -9.0]]])
    assert_close(BrierLoss()(logits, torch.tensor([[1, 255]])), torch.tensor(0.5))


class AutocastProbe(Loss):
    """Squares by a matrix product, which autocast would round to bfloat16."""

    def compute(self, inputs: LossInputs) -> Tensor:
        return (inputs.logits @ inputs.logits.mT).sum()


def test_autocast_is_off_inside_every_loss() -> None:
    logits, target = torch.full((1, 2, 3), 1.001), torch.zeros(1, 3, dtype=torch.int64)
    expected = AutocastProbe()(logits, target)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(AutocastProbe()(logits, target), expected)
        assert_close(CompoundLoss({"probe": (1.0, AutocastProbe())})(logits, target), expected)
        assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "softmax"}, "mode: got 'softmax', expected one of"),
        ({"reduction": "avg"}, "reduction: got 'avg', expected one of 'mean', 'sum', 'none'"),
        ({"mode": "binary", "ignore_index": 1}, "ignore_index: got 1"),
        (
            {"class_weights": [1.0, -0.5]},
            r"class_weights: got \[1.0, -0.5\], expected a list of one finite number >= 0",
        ),
        ({"class_weights": [1.0, float("nan")]}, "class_weights: got"),
        ({"class_weights": [1.0, float("inf")]}, "class_weights: got"),
        ({"class_weights": "median_frequency"}, "class_weights: got 'median_frequency', expected a list"),
        ({"class_weights": [[1.0, 2.0]]}, "class_weights: got"),
        ({"class_weights": 2.0}, "class_weights: got 2.0"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrossEntropyLoss(**settings)


@pytest.mark.parametrize("weights", [[1, 2.5], (1.0, 2.5), torch.tensor([1.0, 2.5])])
def test_class_weights_may_be_any_sequence(weights: Sequence[float] | Tensor) -> None:
    loss = CrossEntropyLoss(class_weights=weights)
    assert loss.class_weights is not None
    assert loss.class_weights.tolist() == [1.0, 2.5]
    assert "class_weights=[1.0, 2.5]" in repr(loss)


def test_the_length_of_class_weights_is_checked_at_the_first_call() -> None:
    loss = CrossEntropyLoss(class_weights=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"class_weights: got shape \(2,\), expected \(3,\)"):
        loss(torch.zeros(1, 3, 2), torch.zeros(1, 2, dtype=torch.int64))
