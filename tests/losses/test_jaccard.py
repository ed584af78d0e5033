"""Jaccard by hand; what it shares with Dice is in test_region.py."""

import math

import pytest
import torch
from torch.testing import assert_close

from litseg.losses import DiceLoss, JaccardLoss, LossInputs
from litseg.losses.jaccard import jaccard
from litseg.losses.region import RegionSwitches
from tests.losses.cases import make_labels, make_logits


def inputs() -> LossInputs:
    logits = torch.tensor([[[math.log(3.0), 0.0, 9.0], [0.0, math.log(4.0), 0.0]]])
    return LossInputs(logits, torch.tensor([[0, 1, 255]]))  # p of class 0: 3/4, 1/5, void


def test_by_hand() -> None:
    class_0 = 1 - 0.75 / (0.95 + 1 - 0.75)
    class_1 = 1 - 0.8 / (1.05 + 1 - 0.8)
    assert_close(jaccard(inputs()).item(), (class_0 + class_1) / 2)
    smooth = RegionSwitches(smooth_numerator=1.0, smooth_denominator=3.0)
    class_0 = 1 - (0.75 + 1) / (0.95 + 1 - 0.75 + 3)
    class_1 = 1 - (0.8 + 1) / (1.05 + 1 - 0.8 + 3)
    assert_close(jaccard(inputs(), smooth).item(), (class_0 + class_1) / 2)


@pytest.mark.parametrize("power", [1, 2])
def test_is_a_function_of_dice(power: int) -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    dice = DiceLoss(power=power, reduction="none")(logits, target)  # type: ignore[arg-type]
    ours = JaccardLoss(power=power, reduction="none")(logits, target)  # type: ignore[arg-type]
    assert_close(ours, 2 * dice / (1 + dice))


def test_is_one_minus_the_iou_of_a_certain_prediction() -> None:
    prediction = torch.tensor([[0, 0, 1, 1, 1]])
    logits = 1e3 * torch.nn.functional.one_hot(prediction, 2).mT.float()
    value = JaccardLoss(reduction="none")(logits, torch.tensor([[0, 1, 1, 1, 0]]))
    assert_close(value, 1 - torch.tensor([1 / 3, 2 / 4]))
