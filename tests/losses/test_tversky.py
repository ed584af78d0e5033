"""Tversky loss: hand-computed values, its special cases, segmentation_models_pytorch."""

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import DiceLoss, JaccardLoss, TverskyLoss
from tests.losses.cases import MODES, make_labels, make_logits, make_void, with_void


def test_false_positives_weigh_alpha_and_false_negatives_beta() -> None:
    logits = torch.full((1, 1, 4), 50.0)
    logits[..., 3] = -50.0
    target = torch.tensor([[1, 0, 0, 1]])  # one hit, two false positives, one miss
    loss = TverskyLoss("binary", alpha=0.2, beta=0.9)(logits, target)
    assert_close(loss.item(), 1 - 1 / (1 + 0.2 * 2 + 0.9 * 1))
    swapped = TverskyLoss("binary", alpha=0.9, beta=0.2)(logits, target)
    assert_close(swapped.item(), 1 - 1 / (1 + 0.9 * 2 + 0.2 * 1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("switches", [{}, {"over": "image", "absent": "zero"}, {"power": 2, "form": "log"}])
def test_dice_and_jaccard_are_special_cases(mode: Task, switches: dict[str, Any]) -> None:
    logits, target = make_logits(mode), with_void(make_labels(mode), make_void())
    half = TverskyLoss(mode, alpha=0.5, beta=0.5, smooth_numerator=0.5, smooth_denominator=0.5, **switches)
    dice = DiceLoss(mode, smooth_numerator=1.0, smooth_denominator=1.0, **switches)
    assert_close(half(logits, target), dice(logits, target))
    whole = TverskyLoss(mode, alpha=1, beta=1, **switches)(logits, target)
    assert_close(whole, JaccardLoss(mode, **switches)(logits, target))


@pytest.mark.parametrize("mode", MODES)
def test_preset_that_is_smp(mode: Task) -> None:
    logits, target = make_logits(mode), make_labels(mode)
    theirs = smp.losses.TverskyLoss(mode, alpha=0.3, beta=0.7, smooth=1.0)
    ours = TverskyLoss(mode, absent="zero", smooth_numerator=1.0, smooth_denominator=1.0)
    assert_close(ours(logits, target), theirs(logits, target[:, None] if mode == "binary" else target))


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_a_negative_weight_is_named(name: str) -> None:
    settings: dict[str, Any] = {name: -0.1}
    with pytest.raises(ValueError, match=f"{name}: got -0.1, expected a number >= 0"):
        TverskyLoss(**settings)
