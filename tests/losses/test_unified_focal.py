"""Unified focal loss: its two parts, symmetric and asymmetric, against a loop in numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import CrossEntropyLoss, FocalLoss, TverskyLoss, UnifiedFocalLoss
from litseg.losses.region import RegionSwitches
from litseg.losses.unified_focal import check_unified
from tests.losses.cases import MODES, make_labels, make_logits


@pytest.mark.parametrize("asymmetric", [True, False])
def test_as_a_loop(asymmetric: bool) -> None:
    delta, gamma, balance = 0.7, 0.3, 0.4
    logits, labels = make_logits("multiclass", dtype=torch.float64), make_labels("multiclass")
    p, y = logits.softmax(1).movedim(1, -1).flatten(0, 2).numpy(), labels.flatten().numpy()
    pixels = []
    for probabilities, label in zip(p, y, strict=True):
        p_y = probabilities[label]
        fading = (1 - p_y) ** gamma
        if label == 0:
            pixels.append((1 - delta) * fading * -np.log(p_y))
        else:
            pixels.append(delta * (1 if asymmetric else fading) * -np.log(p_y))
    regions = []
    for c in range(4):
        hit, false_negatives, false_positives = p[y == c, c].sum(), (1 - p[y == c, c]).sum(), p[y != c, c].sum()
        loss = 1 - hit / (hit + delta * false_negatives + (1 - delta) * false_positives)
        regions.append(loss if asymmetric and c == 0 else loss ** (1 - gamma))
    expected = balance * np.mean(pixels) + (1 - balance) * np.mean(regions)
    ours = UnifiedFocalLoss(asymmetric=asymmetric, balance=balance, delta=delta, gamma=gamma)
    assert_close(ours(logits, labels).item(), float(expected))


@pytest.mark.parametrize("mode", MODES)
def test_without_focus_it_is_cross_entropy_plus_tversky(mode: Task) -> None:
    logits, target = make_logits(mode), make_labels(mode)
    parts = 0.5 * CrossEntropyLoss(mode)(logits, target), TverskyLoss(mode, alpha=0.5, beta=0.5)(logits, target)
    unified = UnifiedFocalLoss(mode, balance=0.5, delta=0.5, gamma=0.0)(logits, target)
    assert_close(unified, 0.5 * parts[0] + 0.5 * parts[1])


@pytest.mark.parametrize("mode", MODES)
def test_symmetric_pixels_are_a_focal_loss(mode: Task) -> None:
    logits, target = make_logits(mode), make_labels(mode)
    ours = UnifiedFocalLoss(mode, asymmetric=False, balance=1.0, delta=0.5, gamma=0.6)(logits, target)
    assert_close(ours, 0.5 * FocalLoss(mode, gamma=0.6)(logits, target))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"balance": 1.1}, r"balance: got 1.1, expected a number in \[0, 1\]"),
        ({"delta": -1}, r"delta: got -1, expected a number in \[0, 1\]"),
        ({"gamma": 1.0}, r"gamma: got 1.0, expected a number in \[0, 1\)"),
        ({"reduction": "none"}, "reduction: got 'none', expected 'mean' or 'sum'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UnifiedFocalLoss(**settings)


def test_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="form: got 'log', expected 'linear'"):
        check_unified(0.5, 0.6, 0.5, RegionSwitches(form="log"), "mean")
