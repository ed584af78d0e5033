"""OHEM against hand-computed values, and numpy sketches of nnU-Net's top-k and mmsegmentation's sampler."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import CrossEntropyLoss, OhemCrossEntropyLoss
from tests.losses.cases import MODES, make_labels, make_logits, make_void, soft_target, value_and_gradient, with_void


def logits_of(probabilities: list[float]) -> torch.Tensor:
    """Logits (1, 2, P) that give class 1 these probabilities."""
    odds = torch.logit(torch.tensor(probabilities, dtype=torch.float64))
    return torch.stack([torch.zeros_like(odds), odds])[None]


def surprises(logits: torch.Tensor, target: torch.Tensor) -> NDArray[np.float64]:
    """Cross-entropies of the valid pixels."""
    losses = F.cross_entropy(logits.double(), target, ignore_index=255, reduction="none")
    return losses[target != 255].numpy()


def top_k_mean(losses: NDArray[np.float64], k: int) -> float:
    """The idea of nnU-Net's TopKLoss, with k of the valid pixels."""
    return float(np.sort(losses)[::-1][:k].mean())


def sampled_mean(losses: NDArray[np.float64], threshold: float, least: int) -> float:
    """The idea of mmsegmentation's OHEMPixelSampler: all pixels below the threshold, at least some number."""
    hardest = np.sort(losses)[::-1]
    return float(hardest[: max(least, int((np.exp(-losses) < threshold).sum()))].mean())


def test_by_hand() -> None:
    logits, target = logits_of([0.9, 0.2, 0.6, 0.8, 0.5]), torch.tensor([[1, 1, 1, 1, 255]])
    hardest = [-math.log(0.2), -math.log(0.6)]
    assert_close(OhemCrossEntropyLoss(share=0.5)(logits, target).item(), sum(hardest) / 2)
    # 0.3 of four pixels is 1.2 of them
    assert_close(OhemCrossEntropyLoss(share=0.3)(logits, target).item(), (hardest[0] + 0.2 * hardest[1]) / 1.2)
    kept = OhemCrossEntropyLoss(share=0.3, reduction="none")(logits, target)
    assert_close(kept, torch.tensor([[0, hardest[0], 0.2 * hardest[1], 0, 0]], dtype=torch.float64))
    # class weights do not rank
    weighted = OhemCrossEntropyLoss(share=0.5, class_weights=[9.0, 2.0])(logits, torch.tensor([[0, 1, 1, 1, 255]]))
    assert_close(weighted.item(), (9 * -math.log(0.1) + 2 * hardest[0]) / 11)


@pytest.mark.parametrize("valid", [40, 1])
@pytest.mark.parametrize("share", [0.1, 0.25, 1.0])
def test_top_k_counts_valid_pixels_only(valid: int, share: float) -> None:
    logits, target = make_logits("multiclass", dtype=torch.float64), make_labels("multiclass")
    target.view(-1)[torch.randperm(60, generator=torch.Generator().manual_seed(0))[valid:]] = 255
    expected = top_k_mean(surprises(logits, target), max(1, round(share * valid)))
    assert_close(OhemCrossEntropyLoss(share=share)(logits, target).item(), expected)


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.7, 1.0])
def test_a_threshold_keeps_more_but_never_less(threshold: float) -> None:
    logits, target = make_logits("multiclass", dtype=torch.float64), make_labels("multiclass")
    target.view(-1)[:20] = 255
    expected = sampled_mean(surprises(logits, target), threshold, least=10)
    assert_close(OhemCrossEntropyLoss(threshold=threshold)(logits, target).item(), expected)


@pytest.mark.parametrize("size", [5.0, 1e4])
def test_a_single_confident_pixel_is_kept(size: float) -> None:
    logits, target = torch.zeros(1, 2, 1, 4), torch.full((1, 1, 4), 255)
    logits[0, 1], target[0, 0, 2] = size, 1
    for threshold in (None, 0.7):
        value, gradient = value_and_gradient(OhemCrossEntropyLoss(threshold=threshold), logits, target)
        expected, expected_gradient = value_and_gradient(CrossEntropyLoss(), logits, target)
        assert_close(value, expected)
        assert_close(gradient, expected_gradient)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_share_of_one_is_cross_entropy(mode: Task, soft: bool, reduction: Any) -> None:
    logits, target = make_logits(mode), soft_target(mode) if soft else with_void(make_labels(mode), make_void())
    weights = torch.rand(2, 5, 6)
    settings: dict[str, Any] = {"class_weights": [1.0, 3.0] if mode == "binary" else [1.0, 2, 3, 4]}
    ours = OhemCrossEntropyLoss(mode, share=1.0, reduction=reduction, **settings)(logits, target, weights)
    assert_close(ours, CrossEntropyLoss(mode, reduction=reduction, **settings)(logits, target, weights))


def test_images_are_ranked_alone() -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    logits[1] *= 3  # the errors of the second are larger
    each = [OhemCrossEntropyLoss(share=0.2)(logits[[i]], target[[i]]) for i in range(2)]
    by_image = OhemCrossEntropyLoss(share=0.2, over="image")
    assert_close(by_image(logits, target), torch.stack(each).mean())  # equally many pixels of each
    assert by_image(logits, target) < OhemCrossEntropyLoss(share=0.2)(logits, target)
    kept = OhemCrossEntropyLoss(share=0.2, over="image", reduction="none")(logits, target)
    assert (kept > 0).flatten(1).sum(1).tolist() == [6, 6]


def test_channels_of_multilabel_are_ranked_together() -> None:
    logits, target = make_logits("multilabel"), make_labels("multilabel")
    losses = F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
    expected = losses.flatten().topk(losses.numel() // 4).values.mean()
    assert_close(OhemCrossEntropyLoss("multilabel")(logits, target), expected)


def test_pixels_of_the_same_loss_share_what_is_kept() -> None:
    target = torch.zeros(1, 8, dtype=torch.int64)
    value, gradient = value_and_gradient(OhemCrossEntropyLoss(), torch.zeros(1, 2, 8), target)
    assert_close(value.item(), math.log(2))
    assert (gradient[0, 0] == gradient[0, 0, 0]).all()
    # many pixels with no loss at all do not dilute the rest
    logits = logits_of([0.5] + 7 * [1 - 1e-16]).float().nan_to_num(posinf=1e4)
    assert_close(OhemCrossEntropyLoss()(logits, target + 1).item(), math.log(2) / 2)


def test_weights_are_numbers_of_pixels() -> None:
    logits, target = logits_of([0.1, 0.3, 0.9]), torch.ones(1, 3, dtype=torch.int64)
    weights = torch.tensor([[1.0, 3.0, 4.0]])  # half of 8: the first and the second
    ours = OhemCrossEntropyLoss(share=0.5)(logits, target, weights).item()
    assert_close(ours, -(math.log(0.1) + 3 * math.log(0.3)) / 4)


def test_settings_are_checked() -> None:
    for share in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"share: got .*, expected a number in \(0, 1\]"):
            OhemCrossEntropyLoss(share=share)
    with pytest.raises(ValueError, match=r"threshold: got 0, expected a number in \(0, 1\], or None"):
        OhemCrossEntropyLoss(threshold=0)
    with pytest.raises(ValueError, match="over: got 'world', expected one of 'image', 'batch'"):
        OhemCrossEntropyLoss(over="world")  # type: ignore[arg-type]
