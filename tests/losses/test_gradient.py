"""Gradient loss against hand-computed values and numpy's own differences."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import GradientLoss
from tests.losses.cases import MODES, make_labels, make_logits, make_void, soft_target, value_and_gradient, with_void


def test_by_hand() -> None:
    logits = torch.tensor([[[[0.0, 0.0], [0.0, torch.inf]]]])  # p: 1/2, 1/2, 1/2, 1
    target = torch.tensor([[[1, 0], [1, 1]]])
    # r = p - t: -1/2, 1/2, -1/2, 0; steps to the right 1, 1/2, downwards 0, -1/2
    assert_close(GradientLoss("binary")(logits, target).item(), (1 + 0.25 + 0 + 0.25) / 4)
    each = GradientLoss("binary", reduction="none")(logits, target)
    assert_close(each, torch.tensor([[[1.0, 0.25], [0.25, 0.0]]]))  # at the first pixel of each pair


def test_a_pair_weighs_as_its_lighter_pixel() -> None:
    weights = torch.tensor([[2.0, 3.0, 0.0, 1.0]])
    logits, target = torch.zeros(1, 1, 4), torch.tensor([[1, 0, 1, 0]])
    assert_close(
        GradientLoss("binary", reduction="none")(logits, target, weights), torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    )
    assert_close(GradientLoss("binary")(logits, target, weights).item(), 1.0)


@pytest.mark.parametrize("mode", MODES)
def test_as_numpy_computes_it(mode: Task) -> None:
    logits, target, void = make_logits(mode, dtype=torch.float64), soft_target(mode), make_void()
    class_weights = [1.0, 3.0] if mode == "binary" else [0.5, 2.0, 1.0, 0.25]
    residual = ((logits.softmax(1) if mode == "multiclass" else logits.sigmoid()) - target).numpy()
    weights = np.broadcast_to((~void).numpy()[:, None], residual.shape)
    weights = weights * np.array([3.0] if mode == "binary" else class_weights)[:, None, None]
    total, pairs = 0.0, 0.0
    for axis in (2, 3):
        first, second = np.delete(weights, -1, axis), np.delete(weights, 0, axis)
        both = np.minimum(first, second)
        total, pairs = total + (both * np.diff(residual, axis=axis) ** 2).sum(), pairs + both.sum()
    ours = GradientLoss(mode, class_weights=class_weights)(logits, target, (~void).double())
    assert_close(ours.item(), total / pairs)
    ours = GradientLoss(mode, class_weights=class_weights, reduction="sum")(logits, target, (~void).double())
    assert_close(ours.item(), total / logits.shape[1])


def test_a_constant_error_and_a_single_pixel_have_no_gradient() -> None:
    target = torch.zeros(1, 3, 3, dtype=torch.int64)
    assert GradientLoss()(torch.ones(1, 2, 3, 3), target) == 0
    value, slope = value_and_gradient(GradientLoss(), torch.randn(1, 2, 1, 1), target[:, :1, :1])
    assert value == 0
    assert not slope.any()


def test_three_dimensions_are_three_kinds_of_pairs() -> None:
    logits, target = torch.zeros(1, 1, 2, 2, 2), torch.zeros(1, 2, 2, 2, dtype=torch.int64)
    target[0, 0, 0, 0] = 1  # of 12 pairs, 3 step by 1
    assert_close(GradientLoss("binary")(logits, target).item(), 0.25)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_one_channel_is_the_foreground_of_two(reduction: Any) -> None:
    """Background and foreground have the same steps."""
    logit, target = make_logits("binary"), with_void(make_labels("binary"), make_void())
    two = torch.cat([torch.zeros_like(logit), logit], 1)
    binary = GradientLoss("binary", reduction=reduction)(logit, target)
    assert_close(binary, GradientLoss(reduction=reduction)(two, target))
