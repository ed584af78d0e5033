"""Focal Tversky loss: powers of the Tversky loss of a class."""

import pytest
import torch
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import FocalTverskyLoss, LossInputs, TverskyLoss
from litseg.losses.focal_tversky import focal_tversky, power_of_loss
from litseg.losses.region import RegionSwitches
from tests.losses.cases import MODES, make_labels, make_logits, value_and_gradient


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_is_the_mean_of_the_powers_of_classes(mode: Task, gamma: float) -> None:
    logits, target = make_logits(mode), make_labels(mode)
    each = TverskyLoss(mode, reduction="none")(logits, target)
    assert_close(FocalTverskyLoss(mode, gamma=gamma)(logits, target), (each**gamma).mean())
    assert_close(FocalTverskyLoss(mode, gamma=gamma, reduction="none")(logits, target), each**gamma)


def test_the_power_has_a_finite_slope_at_a_perfect_class() -> None:
    losses = torch.tensor([0.0, 1e-8, 1e-7, 1e-3, 0.5], dtype=torch.float64, requires_grad=True)
    powers = power_of_loss(losses, 0.75)
    assert powers[0] == 0
    assert_close(powers[2:], losses[2:] ** 0.75)
    assert (powers.diff() > 0).all()
    (slope,) = torch.autograd.grad(powers.sum(), losses)
    assert slope.isfinite().all()
    perfect = 100.0 * torch.nn.functional.one_hot(make_labels("multiclass"), 4).movedim(-1, 1)
    value, gradient = value_and_gradient(FocalTverskyLoss(), perfect, make_labels("multiclass"))
    assert value == 0
    assert gradient.isfinite().all()


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="gamma: got 0, expected a number > 0"):
        FocalTverskyLoss(gamma=0)
    inputs = LossInputs(make_logits("multiclass"), make_labels("multiclass"))
    with pytest.raises(ValueError, match="form: got 'log', expected 'linear'"):
        focal_tversky(inputs, RegionSwitches(form="log"))
