"""Generalised Dice loss: hand-computed values, MONAI, classes that are not there."""

import monai.losses
import pytest
import torch
from torch.testing import assert_close

from litseg.losses import DiceLoss, GeneralizedDiceLoss
from tests.losses.cases import make_labels, make_logits, make_void, value_and_gradient, with_void


def uncertain() -> tuple[torch.Tensor, torch.Tensor]:
    """Probability 1/2 everywhere; three pixels of class 0 and one of class 1."""
    return torch.zeros(1, 2, 4), torch.tensor([[0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        ("uniform", 1 - 2 * (1.5 + 0.5) / (5 + 3)),
        ("simple", 1 - 2 * (1.5 / 3 + 0.5) / (5 / 3 + 3)),
        ("square", 1 - 2 * (1.5 / 9 + 0.5) / (5 / 9 + 3)),
    ],
)
def test_by_hand(balance: str, expected: float) -> None:
    assert_close(GeneralizedDiceLoss(balance=balance)(*uncertain()).item(), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("balance", ["square", "simple", "uniform"])
@pytest.mark.parametrize("over", ["image", "batch"])
def test_preset_that_is_monai(balance: str, over: str) -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    theirs = monai.losses.GeneralizedDiceLoss(softmax=True, to_onehot_y=True, w_type=balance, batch=over == "batch")
    ours = GeneralizedDiceLoss(
        balance=balance,  # type: ignore[arg-type]
        over=over,  # type: ignore[arg-type]
        absent="all",
        smooth_numerator=1e-5,
        smooth_denominator=1e-5,
    )
    assert_close(ours(logits, target), theirs(logits, target[:, None]), rtol=1e-5, atol=1e-5)


def test_a_class_that_is_not_there_is_left_out_or_weighs_as_the_smallest() -> None:
    logits, target = torch.zeros(1, 3, 4), torch.tensor([[0, 0, 0, 1]])
    third = torch.tensor(1 / 3)
    top, bottom = 2 * (3 * third / 9 + third), (4 * third + 3) / 9 + (4 * third + 1)
    assert_close(GeneralizedDiceLoss()(logits, target), 1 - top / bottom)
    assert_close(GeneralizedDiceLoss(absent="all")(logits, target), 1 - top / (bottom + 4 * third))
    _, gradient = value_and_gradient(GeneralizedDiceLoss(absent="all"), logits, target)
    assert gradient.isfinite().all()


def test_class_weights_are_factors() -> None:
    logits, target = uncertain()
    by_hand = GeneralizedDiceLoss(balance="uniform", class_weights=[1 / 9, 1.0])
    assert_close(by_hand(logits, target), GeneralizedDiceLoss()(logits, target))


def test_one_channel_is_dice_of_the_foreground() -> None:
    logits, target = make_logits("binary"), with_void(make_labels("binary"), make_void())
    assert_close(GeneralizedDiceLoss("binary")(logits, target), DiceLoss("binary")(logits, target))


def test_none_has_one_value_an_image_or_a_batch() -> None:
    logits, target = make_logits("multiclass", 3), make_labels("multiclass", 3)
    assert GeneralizedDiceLoss(over="image", reduction="none")(logits, target).shape == (3,)
    assert GeneralizedDiceLoss(reduction="none")(logits, target).shape == (1,)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="balance: got 'cube', expected one of 'square', 'simple', 'uniform'"):
        GeneralizedDiceLoss(balance="cube")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="absent: got 'zero', expected 'present' or 'all'"):
        GeneralizedDiceLoss(absent="zero")
