"""Lovasz loss against hand-computed values, a loop over the paper's algorithm, smp and kornia."""

from itertools import pairwise
from typing import Any

import kornia
import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import JaccardLoss, LovaszLoss
from litseg.losses import lovasz as module
from tests.losses.cases import MODES, make_labels, make_logits, make_void, soft_target, value_and_gradient, with_void

FloatArray = NDArray[np.float64]


def jaccard_loss_of(wrong: FloatArray, target: FloatArray, weights: FloatArray) -> float:
    """J of a set of wrong pixels, 0 for the empty set."""
    union = (weights * target).sum() + (weights * (1 - target) * wrong).sum()
    return float((weights * wrong).sum() / union) if wrong.any() and union > 0 else 0.0


def extension(errors: FloatArray, target: FloatArray, weights: FloatArray | None = None) -> float:
    """The Lovasz extension by its definition: one pixel after the other becomes wrong, from the largest error on."""
    weights = np.ones_like(errors) if weights is None else weights
    wrong, total, before = np.zeros_like(errors), 0.0, 0.0
    for pixel in np.argsort(-errors):
        wrong[pixel] = 1
        now = jaccard_loss_of(wrong, target, weights)
        total, before = total + errors[pixel] * (now - before), now
    return total


def berman(probabilities: FloatArray, labels: NDArray[np.int64], absent: str) -> float:
    """Lovasz softmax of pixels (P, C) and labels (P,), 255 is void: the mean of algorithm 1 over classes."""
    valid = labels != 255
    probabilities, labels = probabilities[valid], labels[valid]
    losses = []
    for c in range(probabilities.shape[1]):
        foreground = (labels == c).astype(np.float64)
        if absent == "present" and not foreground.any():
            continue
        errors = np.abs(foreground - probabilities[:, c])
        order = np.argsort(-errors)
        sorted_foreground = foreground[order]
        intersection = foreground.sum() - sorted_foreground.cumsum()
        union = foreground.sum() + (1 - sorted_foreground).cumsum()
        jaccard = 1 - intersection / union
        jaccard[1:] = jaccard[1:] - jaccard[:-1]
        losses.append(errors[order] @ jaccard)
    return float(np.mean(losses)) if losses else 0.0


def pixels(tensor: torch.Tensor) -> FloatArray:
    return tensor.double().movedim(1, -1).flatten(0, -2).numpy()


def test_by_hand() -> None:
    # foreground errors .4 and .2, background error .3; J: 1/2 after the first, 2/3 with the background, 1 with all
    p = torch.tensor([[[0.6, 0.3, 0.8]]])
    expected = 0.4 * 1 / 2 + 0.3 * (2 / 3 - 1 / 2) + 0.2 * (1 - 2 / 3)
    value, gradient = value_and_gradient(LovaszLoss("binary"), torch.logit(p), torch.tensor([[1, 0, 1]]))
    assert_close(value.item(), expected)
    assert_close(gradient, torch.tensor([[[-1 / 2, 1 / 6, -1 / 3]]]) * p * (1 - p))
    # margins 1 - z of foreground and 1 + z of background: 2.5, 0.5, -1 (right by far), of a union of 3
    hinge = LovaszLoss("binary", errors="hinge")(torch.tensor([[[-1.5, -0.5, 2.0]]]), torch.tensor([[1, 0, 1]]))
    assert_close(hinge.item(), 2.5 / 2 + 0.5 * (2 / 3 - 1 / 2))


@pytest.mark.parametrize("absent", ["present", "all"])
@pytest.mark.parametrize("seed", range(3))
def test_softmax_as_the_loop(seed: int, absent: Any) -> None:
    logits, target = make_logits("multiclass", 3, seed, torch.float64), make_labels("multiclass", 3, seed)
    target[1][target[1] == 2] = 0  # a class is missing in one image
    target[target == 3] = 1  # and one everywhere
    target = with_void(target, make_void(3, seed))
    p = logits.softmax(1)
    expected = berman(pixels(p), target.flatten().numpy(), absent)
    assert_close(LovaszLoss(absent=absent)(logits, target).item(), expected)
    each = [berman(pixels(p[[i]]), target[i].flatten().numpy(), absent) for i in range(3)]
    by_image = LovaszLoss(over="image", absent=absent, reduction="none")(logits, target)
    assert_close(by_image, torch.tensor(each, dtype=torch.float64))


def test_an_image_without_a_valid_pixel_leaves_the_mean_over_images() -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    void = target.clone()
    void[1] = 255
    assert_close(LovaszLoss(over="image")(logits, void), LovaszLoss(over="image")(logits[:1], target[:1]))


@pytest.mark.parametrize("over", ["image", "batch"])
def test_softmax_as_smp(over: Any) -> None:
    logits, target = make_logits("multiclass"), with_void(make_labels("multiclass"), make_void())
    theirs = smp.losses.LovaszLoss("multiclass", per_image=over == "image", ignore_index=255)
    ours = value_and_gradient(LovaszLoss(over=over), logits, target)
    for result, wanted in zip(ours, value_and_gradient(theirs, logits, target), strict=True):
        assert_close(result, wanted)


def test_softmax_as_kornia_which_counts_every_class_of_every_image() -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    target[0][target[0] == 2] = 1
    ours = LovaszLoss(over="image", absent="all")(logits, target)
    assert_close(ours, kornia.losses.lovasz_softmax_loss(logits, target))
    assert not torch.isclose(LovaszLoss(over="image")(logits, target), ours)


@pytest.mark.parametrize("over", ["image", "batch"])
def test_hinge_as_smp(over: Any) -> None:
    logits, target = make_logits("binary"), with_void(make_labels("binary"), make_void())
    ours = LovaszLoss("binary", errors="hinge", over=over)
    theirs = smp.losses.LovaszLoss("binary", per_image=over == "image", ignore_index=255)
    wanted = value_and_gradient(theirs, logits, target[:, None])
    for result, expected in zip(value_and_gradient(ours, logits, target), wanted, strict=True):
        assert_close(result, expected)


def test_hinge_as_kornia_which_counts_every_image() -> None:
    logits, target = make_logits("binary"), make_labels("binary")
    target[1] = 0  # J of a missing foreground: the largest error
    ours = LovaszLoss("binary", errors="hinge", over="image", absent="all")(logits, target)
    assert_close(ours, kornia.losses.lovasz_hinge_loss(logits, target))


@pytest.mark.parametrize("errors", ["probability", "hinge"])
def test_multilabel_is_binary_of_every_channel(errors: Any) -> None:
    logits, target = make_logits("multilabel"), with_void(make_labels("multilabel"), make_void())
    each = [LovaszLoss("binary", errors=errors)(logits[:, [c]], target[:, c]) for c in range(4)]
    assert_close(LovaszLoss("multilabel", errors=errors, reduction="none")(logits, target), torch.stack(each))


def test_class_weights() -> None:
    logits, target, weights = make_logits("multiclass"), make_labels("multiclass"), torch.tensor([0.5, 2.0, 1.0, 0.0])
    each = LovaszLoss(reduction="none")(logits, target)
    assert_close(LovaszLoss(class_weights=weights)(logits, target), (weights * each).sum() / weights.sum())


@pytest.mark.parametrize("mode", MODES)
def test_soft_targets_and_weights_as_the_definition(mode: Task) -> None:
    logits, target = make_logits(mode, dtype=torch.float64), soft_target(mode)
    weights = torch.rand(2, 5, 6, dtype=torch.float64) * ~make_void()
    p = logits.softmax(1) if mode == "multiclass" else logits.sigmoid()
    flat_p, flat_t, flat_w = pixels(p), pixels(target), weights.flatten().numpy()
    each = [extension(np.abs(p - t), t, flat_w) for p, t in zip(flat_p.T, flat_t.T, strict=True)]
    assert_close(LovaszLoss(mode)(logits, target, weights).item(), float(np.mean(each)))


@pytest.mark.parametrize("mode", MODES)
def test_hard_predictions_give_the_jaccard_index(mode: Task) -> None:
    target, predicted = with_void(make_labels(mode), make_void()), make_labels(mode, seed=5)
    one_hot = torch.nn.functional.one_hot(predicted, 4).movedim(-1, 1) if mode == "multiclass" else predicted
    logits = 200.0 * one_hot.view_as(make_logits(mode)) - 100.0
    assert_close(LovaszLoss(mode)(logits, target), JaccardLoss(mode)(logits, target))


@pytest.mark.parametrize("soft", [False, True])
def test_the_jaccard_loss_of_a_set_is_submodular_so_that_its_extension_is_convex(soft: bool) -> None:
    generator = np.random.default_rng(0)
    target = generator.random(6) if soft else generator.integers(0, 2, 6).astype(np.float64)
    weights = generator.random(6)
    sets = [np.array([number >> i & 1 for i in range(6)], dtype=np.float64) for number in range(64)]
    value = {tuple(s): jaccard_loss_of(s, target, weights) for s in sets}
    for a in sets:
        for b in sets:
            both, either = value[tuple(np.minimum(a, b))], value[tuple(np.maximum(a, b))]
            assert both + either <= value[tuple(a)] + value[tuple(b)] + 1e-12


@pytest.mark.parametrize("over", ["image", "batch"])
@pytest.mark.parametrize("mode", MODES)
def test_a_few_classes_at_a_time_change_nothing(mode: Task, over: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = make_logits(mode), with_void(make_labels(mode), make_void())
    expected = value_and_gradient(LovaszLoss(mode, over=over), *arguments)
    for chunk in (1, 150):  # a class, or two of four
        monkeypatch.setattr(module, "CPU_CHUNK", chunk)
        for result, wanted in zip(value_and_gradient(LovaszLoss(mode, over=over), *arguments), expected, strict=True):
            assert torch.equal(result, wanted)


def test_slopes_of_a_large_image_keep_their_digits() -> None:
    logits = torch.randn(1, 2, 300_000, generator=torch.Generator().manual_seed(0))
    target = (logits[:, 1] > 1.5).long()
    _, gradient = value_and_gradient(LovaszLoss(), logits, target)
    _, exact = value_and_gradient(LovaszLoss(), logits.double(), target)
    assert ((gradient - exact).abs() <= 1e-4 * exact.abs() + 1e-12).all()


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_the_scale_of_weights_does_not_matter(scale: float) -> None:
    logits, target, weights = make_logits("multiclass"), make_labels("multiclass"), torch.rand(2, 5, 6)
    expected = value_and_gradient(LovaszLoss(), logits, target, weights)
    for result, wanted in zip(value_and_gradient(LovaszLoss(), logits, target, scale * weights), expected, strict=True):
        assert_close(result, wanted)


def test_falls_while_a_prediction_turns_right() -> None:
    target = make_labels("multiclass")
    right = torch.nn.functional.one_hot(target, 4).movedim(-1, 1).float()
    values = [LovaszLoss()(size * right, target).item() for size in (0.0, 1.0, 2.0, 5.0, 100.0)]
    assert all(before > after for before, after in pairwise(values))
    assert values[-1] == 0


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="errors: got 'hinge' in multiclass mode, expected 'probability'"):
        LovaszLoss(errors="hinge")
    with pytest.raises(ValueError, match="over: got 'world', expected one of 'image', 'batch'"):
        LovaszLoss(over="world")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="errors: got 'l1'"):
        LovaszLoss(errors="l1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="absent: got 'never'"):
        LovaszLoss(absent="never")  # type: ignore[arg-type]
