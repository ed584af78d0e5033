"""Hausdorff loss against hand-computed values and MONAI."""

import pytest
import torch
from monai.losses import HausdorffDTLoss
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import HausdorffLoss, LossInputs
from litseg.losses.hausdorff import hausdorff
from tests.losses.cases import MODES, make_labels, make_logits, value_and_gradient


def test_by_hand() -> None:
    logits = torch.tensor([1.0, -1.0, 3.0, -1.0]).log().nan_to_num(0.0).view(1, 1, 4)  # p: 1/2, 1/2, 3/4, 1/2
    target = torch.tensor([[1, 1, 0, 255]])
    # regions of p: only the third, distances 2, 1, 1; of t: the first two, distances 2, 1, 1; the void pixel is out
    expected = torch.tensor([0.25 * (4 + 4), 0.25 * (1 + 1), 0.5625 * (1 + 1), 0.0])
    assert_close(HausdorffLoss("binary", reduction="none")(logits, target), expected[None])
    assert_close(HausdorffLoss("binary")(logits, target), expected.sum() / 3)
    first_power = torch.tensor([0.25 * 4, 0.25 * 2, 0.5625 * 2, 0.0])
    assert_close(HausdorffLoss("binary", alpha=1.0, reduction="none")(logits, target), first_power[None])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_as_monai(mode: Task, alpha: float) -> None:
    logits, target = make_logits(mode, images=3), make_labels(mode, images=3)
    if mode == "multiclass":
        target = target.masked_fill(target == 2, 0)
    one_hot = torch.nn.functional.one_hot(target, 4).movedim(-1, 1) if mode == "multiclass" else target.view_as(logits)
    multiclass = mode == "multiclass"
    theirs = HausdorffDTLoss(alpha, include_background=True, softmax=multiclass, sigmoid=not multiclass)
    expected = value_and_gradient(theirs, logits, one_hot.float())
    for result, wanted in zip(
        value_and_gradient(HausdorffLoss(mode, alpha=alpha), logits, target), expected, strict=True
    ):
        assert_close(result, wanted)


def test_without_the_background_as_monai() -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    one_hot = torch.nn.functional.one_hot(target, 4).movedim(-1, 1).float()
    ours = HausdorffLoss(class_weights=[0.0, 1.0, 1.0, 1.0])(logits, target)
    assert_close(ours, HausdorffDTLoss(softmax=True)(logits, one_hot))


def test_farther_errors_cost_more() -> None:
    target = torch.zeros(1, 9, 9, dtype=torch.int64)
    target[:, :3] = 1
    losses = []
    for row in (3, 5, 8):
        logits = 20.0 * (2 * target[:, None] - 1.0)
        logits[..., row, 4] = 20.0
        losses.append(float(HausdorffLoss("binary")(logits, target)))
    assert 0 < losses[0] < losses[1] < losses[2]


def test_right_everywhere_is_zero_and_no_edge_anywhere_too() -> None:
    target = make_labels("binary")
    assert HausdorffLoss("binary")(1e4 * (2.0 * target[:, None] - 1), target) == 0
    assert HausdorffLoss("binary")(-make_logits("binary").abs(), torch.zeros_like(target)) == 0


def test_one_channel_is_the_foreground_of_two() -> None:
    logit, target = make_logits("binary"), make_labels("binary")
    two = torch.cat([torch.zeros_like(logit), logit], 1)
    assert_close(HausdorffLoss("binary")(logit, target), HausdorffLoss()(two, target))


@pytest.mark.parametrize("alpha", [0, -1.0, float("nan"), float("inf")])
def test_alpha_is_checked(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha: got .*, expected a number > 0"):
        HausdorffLoss(alpha=alpha)
    with pytest.raises(ValueError, match="alpha"):
        hausdorff(LossInputs(torch.zeros(1, 2, 1), torch.tensor([[0]])), alpha=alpha)
