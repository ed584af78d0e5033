"""Dice by hand; what it shares with Jaccard is in test_region.py."""

import math

import torch
from torch.testing import assert_close

from litseg.losses import DiceLoss, LossInputs
from litseg.losses.dice import dice
from litseg.losses.region import RegionSwitches


def inputs() -> LossInputs:
    logits = torch.tensor([[[math.log(3.0), 0.0, 9.0], [0.0, math.log(4.0), 0.0]]])
    return LossInputs(logits, torch.tensor([[0, 1, 255]]))  # p of class 0: 3/4, 1/5, void


def test_by_hand() -> None:
    class_0 = 1 - 2 * 0.75 / (0.95 + 1)
    class_1 = 1 - 2 * 0.8 / (1.05 + 1)
    assert_close(dice(inputs()).item(), (class_0 + class_1) / 2)
    weighted = dice(inputs(), class_weights=torch.tensor([1.0, 3.0]))
    assert_close(weighted.item(), (class_0 + 3 * class_1) / 4)


def test_squares_by_hand() -> None:
    class_0 = 1 - 2 * 0.75 / (0.75**2 + 0.2**2 + 1)
    class_1 = 1 - 2 * 0.8 / (0.25**2 + 0.8**2 + 1)
    assert_close(dice(inputs(), RegionSwitches(power=2)).item(), (class_0 + class_1) / 2)


def test_smoothing_by_hand() -> None:
    class_0 = 1 - (2 * 0.75 + 1) / (0.95 + 1 + 3)
    class_1 = 1 - (2 * 0.8 + 1) / (1.05 + 1 + 3)
    switches = RegionSwitches(smooth_numerator=1.0, smooth_denominator=3.0)
    assert_close(dice(inputs(), switches).item(), (class_0 + class_1) / 2)


def test_a_false_positive_of_an_absent_class_gives_no_gradient_by_default() -> None:
    logits = torch.zeros(1, 3, 4, requires_grad=True)
    DiceLoss()(logits, torch.tensor([[0, 0, 1, 1]])).backward()
    assert logits.grad is not None
    assert logits.grad[:, 2].abs().max() > 0, "through the softmax"
    sigmoid = torch.zeros(1, 3, 4, requires_grad=True)
    target = torch.zeros(1, 3, 4, dtype=torch.int64)
    target[:, 0] = 1
    DiceLoss("multilabel")(sigmoid, target).backward()
    assert sigmoid.grad is not None
    assert not sigmoid.grad[:, 1:].any()
