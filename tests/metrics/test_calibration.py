"""Calibration: bins by a loop, exactness of the sums, what counts as confidence in each task."""

import math

import pytest
import torch

from litseg.metrics import Calibration
from litseg.metrics.calibration import UNIT, confidences, expected_calibration_error, reliability, reliability_counts


def test_as_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    confidence, right = torch.rand(500, generator=generator), torch.rand(500, generator=generator) < 0.5
    valid = torch.rand(500, generator=generator) < 0.8
    found = reliability(reliability_counts(confidence, right, valid, bins=7))
    error = 0.0
    for index in range(7):
        members = [n for n in range(500) if valid[n] and index / 7 <= confidence[n] < (index + 1) / 7]
        accuracy = sum(bool(right[n]) for n in members) / len(members)
        mean = math.fsum(float(confidence[n]) for n in members) / len(members)
        assert found["count"][index] == len(members)
        assert found["accuracy"][index] == accuracy
        assert found["confidence"][index] == pytest.approx(mean, abs=1e-7)
        error += abs(accuracy - mean) * len(members) / int(valid.sum())
    counts = reliability_counts(confidence, right, valid, bins=7)
    assert expected_calibration_error(counts).item() == pytest.approx(error, abs=1e-7)


def test_edges_of_the_range_are_in_the_outer_bins() -> None:
    ends = torch.tensor([0.0, 1.0])
    counts = reliability_counts(ends, torch.tensor([False, True]), torch.tensor([True, True]), bins=3)
    assert counts.tolist() == [[1, 0, 0], [0, 0, 0], [1, 1, UNIT]]
    assert expected_calibration_error(counts) == 0


def test_what_is_confident_and_always_right_has_no_error_and_always_wrong_all_of_it() -> None:
    confidence, valid = torch.full((10,), 0.75), torch.ones(10, dtype=torch.bool)
    assert expected_calibration_error(reliability_counts(confidence, valid, valid)).item() == 0.25
    assert expected_calibration_error(reliability_counts(confidence, ~valid, valid)).item() == 0.75


def test_multiclass_is_the_largest_probability() -> None:
    probabilities = torch.tensor([[[0.5, 0.1, 0.2], [0.3, 0.8, 0.2], [0.2, 0.1, 0.6]]])
    confidence, right, valid = confidences(
        probabilities, probabilities.argmax(1), torch.tensor([[0, 0, 255]]), "multiclass"
    )
    assert confidence.flatten().tolist() == pytest.approx([0.5, 0.8, 0.6])
    assert right[0, 0, :2].tolist() == [True, False]
    assert valid.flatten().tolist() == [True, True, False]


@pytest.mark.parametrize(("task", "target"), [("binary", [[1, 0]]), ("multilabel", [[[1, 0]]])])
def test_else_it_is_the_probability_of_the_class(task: str, target: list[object]) -> None:
    probabilities = torch.tensor([[[0.2, 0.9]]])
    measured = confidences(probabilities, torch.tensor([[0, 1]]), torch.tensor(target), task)  # type: ignore[arg-type]
    assert [each.tolist() for each in measured[1:]] == [[[[True, False]]], [[[True, True]]]]
    assert measured[0] is probabilities


def test_any_split_order_and_merge_give_the_same_bits() -> None:
    confidence, right = torch.rand(6, 2, 9, 9), torch.rand(6, 2, 9, 9) < 0.3
    valid = torch.rand(6, 2, 9, 9) < 0.9
    whole, first, second = (Calibration(2) for _ in range(3))
    whole.update(confidence, right, valid)
    first.update(confidence[5:], right[5:], valid[5:])
    second.update(confidence[:5], right[:5], valid[:5])
    first.merge_state(second)
    assert torch.equal(first.compute(), whole.compute())
    first.set_dtype(torch.float16)
    assert first.counts.dtype == torch.int64


def test_nothing_counted_is_nan() -> None:
    assert expected_calibration_error(torch.zeros(15, 3, dtype=torch.int64)).isnan()
