"""The clauses that hold for every loss without exception."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from litseg.labels import IGNORE_INDEX, Task
from tests.losses.cases import (
    MODES,
    VARIANTS,
    channels,
    make_labels,
    make_logits,
    make_void,
    soft_target,
    value_and_gradient,
    with_void,
)
from tests.losses.test_clauses import TABLE

everywhere = pytest.mark.parametrize("mode", MODES)
every_loss = pytest.mark.parametrize("name", VARIANTS)
pytestmark = [everywhere, every_loss]


def build(name: str, mode: Task, **settings: object) -> nn.Module:
    return VARIANTS[name](mode, **settings)


def class_weights(mode: Task) -> list[float]:
    return [0.5, 2.0] if mode == "binary" else [0.5, 2.0, 1.0, 0.25]


@pytest.mark.parametrize("garbage", [3.0, float("inf"), float("nan")])
def test_an_ignored_pixel_changes_neither_value_nor_gradient(name: str, mode: Task, garbage: float) -> None:
    loss = build(name, mode, class_weights=class_weights(mode))
    logits, void = make_logits(mode), make_void()
    target = with_void(make_labels(mode), void)
    value, gradient = value_and_gradient(loss, logits, target)
    other, other_gradient = value_and_gradient(loss, logits.masked_fill(void.unsqueeze(1), garbage), target)
    assert value != 0  # a boundary loss may be negative
    assert_close(other, value, rtol=0, atol=0)
    assert_close(other_gradient, gradient, rtol=0, atol=0)
    assert not gradient.masked_select(void.unsqueeze(1)).any()
    assert gradient.masked_select(~void.unsqueeze(1)).any()


def test_ignored_pixels_count_as_if_they_were_cut_away(name: str, mode: Task) -> None:
    loss = build(name, mode)
    logits, target = make_logits(mode), make_labels(mode)
    void = torch.zeros(2, 5, 6, dtype=torch.bool)
    void[..., 4:] = True
    assert_close(loss(logits, with_void(target, void)), loss(logits[..., :4], target[..., :4]))


def test_a_pixel_of_weight_zero_is_void_whatever_its_target_says(name: str, mode: Task) -> None:
    loss = build(name, mode)
    logits, void, target = make_logits(mode, dtype=torch.float64), make_void(), soft_target(mode)
    weights = (~void).double()
    expected = value_and_gradient(loss, logits, target, weights)
    target = target.masked_fill(void.unsqueeze(1), float("nan"))
    for result, wanted in zip(value_and_gradient(loss, logits, target, weights), expected, strict=True):
        assert_close(result, wanted, rtol=0, atol=0)


def test_weight_zero_and_void_label_mean_the_same(name: str, mode: Task) -> None:
    loss = build(name, mode)
    logits, target, void = make_logits(mode), make_labels(mode), make_void()
    by_label = value_and_gradient(loss, logits, with_void(target, void))
    by_weight = value_and_gradient(loss, logits, target, (~void).float())
    for result, wanted in zip(by_weight, by_label, strict=True):
        assert_close(result, wanted)


@pytest.mark.parametrize("ignore_index", [-100, 17, 156])
def test_an_unused_ignore_index_changes_nothing(name: str, mode: Task, ignore_index: int) -> None:
    logits, target = make_logits(mode), make_labels(mode)
    for labels in (target, target.to(torch.uint8)):
        assert_close(build(name, mode, ignore_index=ignore_index)(logits, labels), build(name, mode)(logits, labels))


def test_any_void_label_works(name: str, mode: Task) -> None:
    logits, target = make_logits(mode), with_void(make_labels(mode), make_void())
    renamed = target.masked_fill(target == IGNORE_INDEX, -100)
    assert_close(build(name, mode, ignore_index=-100)(logits, renamed), build(name, mode)(logits, target))


def test_an_all_void_batch_gives_zero_and_a_zero_gradient(name: str, mode: Task) -> None:
    loss = build(name, mode, class_weights=class_weights(mode))
    logits = make_logits(mode)
    void = torch.full_like(make_labels(mode), IGNORE_INDEX)
    no_weight = torch.zeros(2, 5, 6)
    for target, weights in ((void, None), (make_labels(mode), no_weight), (soft_target(mode), no_weight)):
        value, gradient = value_and_gradient(loss, logits, target, weights)
        assert value == 0
        assert not gradient.any()


def test_inputs_stay_untouched(name: str, mode: Task) -> None:
    arguments = make_logits(mode), with_void(make_labels(mode), make_void()), torch.rand(2, 5, 6)
    copies = [argument.clone() for argument in arguments]
    value_and_gradient(build(name, mode), *arguments)
    for argument, copy in zip(arguments, copies, strict=True):
        assert torch.equal(argument, copy)


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_gradients_are_finite_at_saturated_logits(name: str, mode: Task, scale: float) -> None:
    target = make_labels(mode)
    right = nn.functional.one_hot(target, 4).movedim(-1, 1) if mode == "multiclass" else target.view(2, -1, 5, 6)
    logits = scale * (2.0 * right - 1)  # all right, or all wrong
    value, gradient = value_and_gradient(build(name, mode), logits, target)
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_computes_in_float32(name: str, mode: Task, dtype: torch.dtype) -> None:
    loss = build(name, mode)
    logits, target = make_logits(mode).to(dtype), make_labels(mode)
    expected = loss(logits.float(), target)
    with torch.autocast("cpu", torch.bfloat16):
        result = loss(logits, target)
    assert result.dtype == torch.float32
    assert_close(result, expected)


def test_large_half_precision_images_do_not_overflow(name: str, mode: Task) -> None:
    loss = build(name, mode)  # sums over its pixels are beyond float16
    logits = make_logits(mode).half().repeat(1, 1, 36, 36)
    target = make_labels(mode).repeat(*[1] * (make_labels(mode).ndim - 2), 36, 36)
    value, gradient = value_and_gradient(loss, logits, target)
    assert_close(value, loss(logits.double(), target).float(), rtol=1e-4, atol=1e-4)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("soft", [False, True])
def test_gradcheck(name: str, mode: Task, soft: bool) -> None:
    loss = build(name, mode, class_weights=class_weights(mode)).double()
    target = soft_target(mode, 1) if soft else with_void(make_labels(mode, 1), make_void(1))
    weights = torch.rand(1, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    logits = make_logits(mode, 1, dtype=torch.float64)[..., :2, :3].requires_grad_()
    assert loss(logits, target[..., :2, :3], weights[..., :2, :3]).dtype == torch.float64
    assert torch.autograd.gradcheck(loss, (logits, target[..., :2, :3], weights[..., :2, :3]), fast_mode=True)


def test_one_and_three_spatial_sizes(name: str, mode: Task) -> None:
    loss = build(name, mode)
    logits, target = make_logits(mode), with_void(make_labels(mode), make_void())
    expected = loss(logits, target)
    if "pixel_permutation" in TABLE["exceptions"].get(type(loss).__name__, {}):  # it sees neighbours, which change
        assert_close(loss(logits[..., None], target[..., None]), expected)
        logits, target = logits.flatten(2), target.flatten(-2)
        assert_close(loss(logits, target), loss(logits[..., None], target[..., None]))
        return
    assert_close(loss(logits.flatten(2), target.flatten(-2)), expected)
    assert_close(loss(logits.view(*logits.shape[:-1], 2, 3), target.view(*target.shape[:-1], 2, 3)), expected)


def test_mean_is_a_weighted_mean_so_scaling_the_weights_changes_nothing(name: str, mode: Task) -> None:
    logits, target, weights = make_logits(mode), make_labels(mode), torch.rand(2, 5, 6)
    loss = build(name, mode, class_weights=class_weights(mode))
    if not name.startswith(("dice", "CenterlineDice")):  # those smooth, and a smoothing constant is a number of pixels
        assert_close(loss(logits, target, 1e-3 * weights), loss(logits, target, weights))
    scaled = build(name, mode, class_weights=[100 * w for w in class_weights(mode)])
    assert_close(scaled(logits, target, weights), loss(logits, target, weights))


def test_buffers_follow_the_module_and_come_back(name: str, mode: Task) -> None:
    loss = build(name, mode, class_weights=class_weights(mode))
    state = loss.state_dict()
    assert any(key.endswith("class_weights") for key in state)
    other = build(name, mode, class_weights=[1.0] * len(class_weights(mode)))
    other.load_state_dict(state)
    logits, target = make_logits(mode), make_labels(mode)
    assert_close(other(logits, target), loss(logits, target))
    assert all(buffer.dtype == torch.float64 for buffer in loss.double().buffers())


def test_an_integer_target_equals_its_one_hot_target(name: str, mode: Task) -> None:
    logits, target = make_logits(mode), make_labels(mode)
    one_hot = nn.functional.one_hot(target, 4).movedim(-1, 1) if mode == "multiclass" else target
    loss = build(name, mode, class_weights=class_weights(mode))
    expected = value_and_gradient(loss, logits, target)
    as_float = one_hot.float().view(2, channels(mode), 5, 6)
    for result, wanted in zip(value_and_gradient(loss, logits, as_float), expected, strict=True):
        assert_close(result, wanted)
