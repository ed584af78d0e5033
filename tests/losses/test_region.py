"""The five switches, over Dice and Jaccard: hand-computed values, a loop in numpy, segmentation_models_pytorch."""

from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import DiceLoss, JaccardLoss, LossInputs
from litseg.losses.dice import dice
from litseg.losses.overlap import score
from litseg.losses.region import RegionSwitches
from tests.losses.cases import MODES, make_labels, make_logits, make_void, soft_target, value_and_gradient, with_void

KINDS: dict[str, type[DiceLoss] | type[JaccardLoss]] = {"dice": DiceLoss, "jaccard": JaccardLoss}
every_kind = pytest.mark.parametrize("kind", KINDS)
Array = np.ndarray[Any, Any]


def reference(kind: str, p: Array, t: Array, w: Array, class_weights: Array, switches: dict[str, Any]) -> float:
    """One class and one image after the other; arrays (N, C, pixels)."""
    power, absent = switches["power"], switches["absent"]
    groups = [[n] for n in range(len(p))] if switches["over"] == "image" else [list(range(len(p)))]
    means = []
    for group in groups:
        total = weight = 0.0
        for c in range(p.shape[1]):
            pc, tc, wc = p[group, c].ravel(), t[group, c].ravel(), w[group, c].ravel()
            predicted, truth = (wc * pc**power).sum(), (wc * tc**power).sum()
            shared = (predicted + truth - (wc * abs(pc - tc) ** power).sum()) / 2
            top, bottom = (2 * shared, predicted + truth) if kind == "dice" else (shared, predicted + truth - shared)
            loss = 1 - (top + switches["smooth_numerator"]) / (bottom + switches["smooth_denominator"])
            if truth == 0 and absent == "present":
                continue
            total += class_weights[c] * (0 if truth == 0 and absent == "zero" else loss)
            weight += class_weights[c]
        if weight > 0:
            means.append(total / weight)
    return float(np.mean(means))


@every_kind
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("over", ["image", "batch"])
@pytest.mark.parametrize("absent", ["present", "all", "zero"])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("smooth", [(0.0, 0.0), (0.0, 1.0), (0.3, 0.7)])
def test_as_a_loop(kind: str, soft: bool, over: Any, absent: Any, power: Any, smooth: tuple[float, float]) -> None:
    logits, void = make_logits("multiclass", 3, dtype=torch.float64), make_void(3)
    labels = make_labels("multiclass", 3).masked_fill(make_labels("multiclass", 3) == 2, 0)  # class 2 is nowhere
    labels[0] = labels[0].masked_fill(labels[0] == 1, 3)  # class 1 is not in the first image
    one_hot = torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).double()
    target = 0.9 * one_hot + 0.1 * one_hot.roll(1, 0) if soft else one_hot
    weights = torch.rand(3, 5, 6, dtype=torch.float64) * ~void
    class_weights = [0.5, 2.0, 1.0, 0.25]
    switches = {
        "over": over,
        "absent": absent,
        "power": power,
        "smooth_numerator": smooth[0],
        "smooth_denominator": smooth[1],
    }
    expected = reference(
        kind,
        logits.softmax(1).flatten(2).numpy(),
        target.flatten(2).numpy(),
        weights[:, None].expand_as(logits).flatten(2).numpy(),
        np.array(class_weights),
        switches,
    )
    loss = KINDS[kind](class_weights=class_weights, **switches)
    assert_close(loss(logits, target if soft else with_void(labels, void), weights).item(), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_presets_that_are_smp(mode: Task, smooth: float) -> None:
    logits, target = make_logits(mode), make_labels(mode)
    target = target.masked_fill(target == 2, 0) if mode == "multiclass" else target
    target = with_void(target, make_void())
    theirs_target = target[:, None] if mode == "binary" else target
    theirs = smp.losses.DiceLoss(mode, smooth=smooth, ignore_index=255)(logits, theirs_target)
    ours = DiceLoss(mode, absent="zero", smooth_numerator=2 * smooth, smooth_denominator=2 * smooth)
    assert_close(ours(logits, target), theirs)
    if mode != "multilabel":  # smp's Jaccard knows no void label
        clean = make_labels(mode)
        theirs = smp.losses.JaccardLoss(mode, smooth=smooth)(logits, clean[:, None] if mode == "binary" else clean)
        jaccard = JaccardLoss(mode, absent="zero", smooth_numerator=smooth, smooth_denominator=smooth)
        assert_close(jaccard(logits, clean), theirs)


@every_kind
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_the_target_itself_has_loss_zero(kind: str, power: Any, mode: Task) -> None:
    target = soft_target(mode)
    best = target.log() if mode == "multiclass" else torch.logit(target)
    assert_close(KINDS[kind](mode, power=power)(best, target).item(), 0.0)


@every_kind
def test_one_channel_is_the_foreground_of_two_classes(kind: str) -> None:
    logit, target = make_logits("binary"), with_void(make_labels("binary"), make_void())
    two = torch.cat([torch.zeros_like(logit), logit], 1)
    one = KINDS[kind]("binary", class_weights=[5.0, 2.0])(logit, target)
    assert_close(one, KINDS[kind](class_weights=[0.0, 1.0])(two, target))


@every_kind
def test_the_background_weight_of_binary_mode_plays_no_part(kind: str) -> None:
    logits, target = make_logits("binary"), make_labels("binary")
    expected = KINDS[kind]("binary")(logits, target)
    assert_close(KINDS[kind]("binary", class_weights=[0.0, 1.0])(logits, target), expected)
    assert_close(KINDS[kind]("binary", class_weights=[7.0, 2.0], reduction="sum")(logits, target), 2 * expected)


def absent_class() -> tuple[Tensor, Tensor]:
    """Class 1 is not in the target; half of it is predicted everywhere."""
    return torch.zeros(1, 2, 4), torch.zeros(1, 4, dtype=torch.int64)


@every_kind
def test_an_absent_class_does_as_the_switch_says(kind: str) -> None:
    logits, target = absent_class()
    seen = {"dice": 1 - 4 / 6, "jaccard": 1 - 2 / 4}[kind]
    value = {a: KINDS[kind](absent=a)(logits, target).item() for a in ("present", "all", "zero")}
    assert_close(value, {"present": seen, "all": (seen + 1) / 2, "zero": seen / 2})


@every_kind
def test_none_has_the_shape_of_what_is_summed_over(kind: str) -> None:
    logits, target = make_logits("multiclass", 3), make_labels("multiclass", 3)
    assert KINDS[kind](over="batch", reduction="none")(logits, target).shape == (4,)
    per_image = KINDS[kind](over="image", reduction="none")(logits, target)
    alone = [KINDS[kind]()(logits[n : n + 1], target[n : n + 1]) for n in range(3)]
    assert_close(per_image, torch.stack(alone))
    weighted = KINDS[kind](class_weights=[1.0, 2.0, 3.0, 4.0], reduction="none")(logits, target)
    plain = KINDS[kind](reduction="none")(logits, target)
    assert_close(weighted, torch.tensor([1.0, 2.0, 3.0, 4.0]) * plain)


@every_kind
def test_a_void_image_leaves_the_mean_over_images(kind: str) -> None:
    logits, target = make_logits("multiclass", 3), make_labels("multiclass", 3)
    target[1] = 255
    loss = KINDS[kind](over="image")
    assert_close(loss(logits, target), loss(logits[[0, 2]], target[[0, 2]]))
    each = KINDS[kind](over="image", reduction="none")(logits, target)
    assert each[1] == 0
    counted = KINDS[kind](over="image", absent="zero", class_weights=[1.0] * 4)(logits, target)
    assert_close(counted, KINDS[kind](over="image", absent="zero")(logits[[0, 2]], target[[0, 2]]) * 2 / 3)


@every_kind
def test_a_class_with_almost_no_probability_has_a_finite_gradient(kind: str) -> None:
    logits = torch.zeros(1, 2, 4)
    for size in (40.0, 50.0, 80.0, 88.0, 95.0, 103.0):
        logits[:, 1] = -size
        loss = KINDS[kind](absent="all")
        _, gradient = value_and_gradient(loss, logits, torch.zeros(1, 4, dtype=torch.int64))
        assert gradient.isfinite().all()


def test_zero_over_zero_is_a_perfect_score_without_a_gradient() -> None:
    top, bottom = torch.tensor([0.0, 1.0, 0.0]).requires_grad_(), torch.tensor([0.0, 2.0, 3.0]).requires_grad_()
    result = score(top, bottom)
    assert result.tolist() == [1.0, 0.5, 0.0]
    torch.autograd.backward(result.sum())
    assert top.grad is not None
    assert bottom.grad is not None
    assert_close(top.grad, torch.tensor([0.0, 0.5, 1 / 3]))
    assert_close(bottom.grad, torch.tensor([0.0, -0.25, 0.0]))


def test_many_pixels_do_not_cancel() -> None:
    logits = torch.full((1, 2, 1_000_000), 0.0)
    logits[:, 1] = -8.0
    target = torch.zeros(1, 1_000_000, dtype=torch.int64)
    target[:, :3] = 1
    exact = DiceLoss()(logits.double(), target)
    assert_close(DiceLoss()(logits, target).double(), exact, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"over": "all"}, "over: got 'all', expected one of 'image', 'batch', 'world'"),
        ({"absent": "skip"}, "absent: got 'skip', expected one of 'present', 'all', 'zero'"),
        ({"power": 3}, "power: got 3, expected one of 1, 2"),
        ({"smooth_numerator": -1.0}, "smooth_numerator: got -1.0, expected a number >= 0"),
        ({"smooth_denominator": float("nan")}, "smooth_denominator: got nan"),
    ],
)
def test_a_wrong_switch_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiceLoss(**settings)
    with pytest.raises(ValueError, match=message):
        RegionSwitches(**settings)


def test_the_pure_function_checks_class_weights_and_reduction() -> None:
    inputs = LossInputs(*absent_class())
    with pytest.raises(ValueError, match=r"class_weights: got shape \(3,\), expected \(2,\)"):
        dice(inputs, class_weights=torch.ones(3))
    with pytest.raises(ValueError, match="reduction: got 'avg'"):
        dice(inputs, reduction="avg")  # type: ignore[arg-type]
