"""LossInputs: checked arguments, neutral void pixels, shared activations."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import LossInputs
from tests.losses.cases import MODES, make_labels, make_logits, soft_target

LOGITS = torch.zeros(2, 3, 4, 5)
LABELS = torch.zeros(2, 4, 5, dtype=torch.int64)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((LOGITS[0, 0], LABELS), {}, r"logits: got float32 \(4, 5\), expected a float tensor \(N, C, \*spatial\)"),
        ((LOGITS.long(), LABELS), {}, r"logits: got int64 \(2, 3, 4, 5\), expected a float tensor"),
        ((LOGITS, LABELS), {"mode": "binary"}, "logits: got 3 channels, expected 1 in binary mode"),
        ((LOGITS[:, :1], LABELS), {}, "logits: got 1 channel, expected 2 or more in multiclass mode"),
        ((LOGITS, LABELS[:, :3]), {}, r"target: got int64 \(2, 3, 5\), expected integer \(2, 4, 5\) in multiclass"),
        ((LOGITS, LABELS[:, None]), {}, r"target: got int64 \(2, 1, 4, 5\), expected integer \(2, 4, 5\)"),
        ((LOGITS, LABELS.float()), {}, r"target: got float32 \(2, 4, 5\), expected float \(2, 3, 4, 5\)"),
        ((LOGITS, LOGITS[:, :2]), {}, r"target: got float32 \(2, 2, 4, 5\), expected float \(2, 3, 4, 5\)"),
        ((LOGITS, LABELS), {"mode": "multilabel"}, r"target: .* expected float or integer \(2, 3, 4, 5\)"),
        ((LOGITS[:, :1], LABELS.float()), {"mode": "binary"}, r"target: .* expected float \(2, 1, 4, 5\)"),
        ((LOGITS, LOGITS * 1j), {}, "target: got complex64"),
        ((LOGITS, LABELS, LOGITS), {}, r"pixel_weights: got float32 \(2, 3, 4, 5\), expected \(2, 4, 5\)$"),
        ((LOGITS, LABELS, LOGITS[0]), {}, "pixel_weights: got"),
        ((LOGITS, LOGITS, LABELS[0]), {"mode": "multilabel"}, r"expected \(2, 4, 5\) or \(2, 3, 4, 5\)"),
        ((LOGITS, LABELS), {"mode": "softmax"}, "mode: got 'softmax', expected one of 'multiclass', 'binary'"),
        ((LOGITS, LABELS), {"ignore_index": 0}, r"ignore_index: got 0, expected an integer outside the classes 0\.\.2"),
        ((LOGITS, LABELS), {"ignore_index": 2}, "ignore_index: got 2"),
        ((LOGITS[:, :1], LABELS), {"mode": "binary", "ignore_index": 1}, r"ignore_index: got 1, .* 0\.\.1"),
    ],
)
def test_a_wrong_argument_is_named(arguments: tuple[Any, ...], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LossInputs(*arguments, **settings)


def test_class_vectors_have_the_length_of_the_classes() -> None:
    inputs = LossInputs(LOGITS, LABELS)
    with pytest.raises(ValueError, match=r"class_weights: got shape \(2,\), expected \(3,\), one value per channel"):
        inputs.check_class_vector("class_weights", torch.ones(2))
    binary = LossInputs(LOGITS[:, :1], LABELS, mode="binary")
    with pytest.raises(ValueError, match=r"alpha: got shape \(1,\), expected \(2,\), \[background, foreground\]"):
        binary.check_class_vector("alpha", torch.ones(1))
    assert inputs.check_class_vector("alpha", None) is None


@pytest.mark.parametrize("mode", MODES)
def test_probabilities_agree_with_their_logarithms(mode: Task) -> None:
    logits = make_logits(mode, dtype=torch.float64)
    direct, through_logs = (LossInputs(logits, make_labels(mode), mode=mode) for _ in range(2))
    expected = logits.softmax(1) if mode == "multiclass" else logits.sigmoid()
    assert_close(direct.probabilities, expected)
    assert_close(through_logs.log_probabilities, expected.log())
    assert_close(through_logs.probabilities, expected)
    if mode != "multiclass":
        assert_close(direct.log_complements, (1 - expected).log())


def test_log_complements_do_not_cancel() -> None:
    inputs = LossInputs(torch.full((1, 1, 1), -40.0), torch.zeros(1, 1, dtype=torch.int64), mode="binary")
    assert_close(inputs.log_complements.double().item(), -4.248354e-18, rtol=1e-5, atol=0)


def test_void_is_neutral_everywhere() -> None:
    logits = torch.tensor([[[1.0, float("nan")], [2.0, float("inf")]]])
    inputs = LossInputs(logits, torch.tensor([[1, 255]]), torch.tensor([[0.5, float("nan")]]))
    assert inputs.weights.tolist() == [[[0.5, 0.0]]]
    assert inputs.logits.tolist() == [[[1.0, 0.0], [2.0, 0.0]]]
    assert inputs.target.tolist() == [[[0.0, 0.0], [1.0, 0.0]]]
    assert inputs.labels.tolist() == [[[1, 0]]]


def test_an_entry_of_a_multilabel_target_is_void_on_its_own() -> None:
    target = torch.tensor([[[1, 255], [0, 1]]], dtype=torch.uint8)
    inputs = LossInputs(torch.ones(1, 2, 2), target, mode="multilabel")
    assert inputs.weights.tolist() == [[[1.0, 0.0], [1.0, 1.0]]]
    assert inputs.target.tolist() == [[[1.0, 0.0], [0.0, 1.0]]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_any_integer_dtype_is_a_label(dtype: torch.dtype) -> None:
    inputs = LossInputs(torch.zeros(1, 200, 2), torch.tensor([[156, 3]]).to(dtype), ignore_index=-100)
    assert inputs.valid.all(), "-100 as uint8 is 156"
    assert inputs.target[0].argmax(0).tolist() == [156, 3]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_numbers_are_float32_or_float64(dtype: torch.dtype) -> None:
    inputs = LossInputs(make_logits("multiclass").to(dtype), soft_target("multiclass"), torch.ones(2, 5, 6).half())
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    for tensor in (inputs.logits, inputs.probabilities, inputs.log_probabilities, inputs.target, inputs.weights):
        assert tensor.dtype == expected


def test_a_label_out_of_range_is_not_silent() -> None:
    with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
        _ = LossInputs(LOGITS, LABELS + 3).target
