"""MCC loss: against scikit-learn's formula in numpy on hard predictions, smp on soft ones, and degenerate cases."""

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torch.testing import assert_close

from litseg.losses import MCCLoss
from tests.losses.cases import make_labels, make_logits, make_void, value_and_gradient, with_void


def test_on_hard_predictions_it_is_the_correlation() -> None:
    target, prediction = make_labels("binary"), make_labels("binary", seed=7)
    logits = 100.0 * (2.0 * prediction[:, None] - 1)
    correlation = np.corrcoef(target.flatten().numpy(), prediction.flatten().numpy())[0, 1]
    assert_close(MCCLoss("binary")(logits, target).item(), 1 - float(correlation))


def test_each_class_against_the_rest() -> None:
    target, prediction = make_labels("multiclass"), make_labels("multiclass", seed=7)
    logits = 100.0 * torch.nn.functional.one_hot(prediction, 4).movedim(-1, 1)
    pairs = [(target == c, prediction == c) for c in range(4)]
    correlations = [np.corrcoef(t.flatten().numpy(), p.flatten().numpy())[0, 1] for t, p in pairs]
    assert_close(MCCLoss(reduction="none")(logits, target), 1 - torch.tensor(correlations).float())


def test_preset_that_is_smp() -> None:
    logits, target = make_logits("binary"), make_labels("binary")
    theirs = smp.losses.MCCLoss()(logits.sigmoid(), target)  # it takes probabilities only, and adds 1e-5 to its counts
    assert_close(MCCLoss("binary")(logits, target), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("label", [0, 1])
def test_a_constant_target_has_no_correlation_and_no_gradient(label: int) -> None:
    target = torch.full((2, 5, 6), label)
    value, gradient = value_and_gradient(MCCLoss("binary", absent="all"), make_logits("binary"), target)
    assert value == 1
    assert not gradient.any()


def test_a_rare_class_in_a_large_image_counts() -> None:
    logits, target = torch.full((1, 1, 1_000_000), -9.0), torch.zeros(1, 1_000_000, dtype=torch.int64)
    logits[..., 0] = 9.0
    target[:, 0] = 1
    value, gradient = value_and_gradient(MCCLoss("binary"), logits, target)
    exact = MCCLoss("binary")(logits.double(), target)
    assert_close(value.double(), exact, rtol=1e-3, atol=1e-5)
    assert gradient[..., 0].item() < 0


def test_true_negatives_count() -> None:
    logits, target = make_logits("binary"), with_void(make_labels("binary"), make_void())
    flipped = 1 - target.where(target != 255, 0)
    assert_close(MCCLoss("binary")(-logits, flipped.where(target != 255, 255)), MCCLoss("binary")(logits, target))
