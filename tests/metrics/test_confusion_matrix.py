"""The confusion matrix against a loop, and its edges."""

import pytest
import torch

from litseg.metrics.confusion_matrix import confusion_matrix, predicted_classes


def by_loop(prediction: torch.Tensor, target: torch.Tensor, classes: int, ignore_index: int) -> list[list[int]]:
    counts = [[0] * classes for _ in range(classes)]
    for p, t in zip(prediction.flatten().tolist(), target.flatten().tolist(), strict=True):
        if t != ignore_index:
            counts[t][p] += 1
    return counts


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_as_a_loop(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randint(0, 5, (2, 3, 7, 11), generator=generator)
    target[0, :2] = 255
    result = confusion_matrix(prediction, target.to(dtype), 5, 255)
    assert result.tolist() == by_loop(prediction, target, 5, 255)
    assert result.dtype == torch.int64


def test_rows_are_the_truth() -> None:
    result = confusion_matrix(torch.tensor([2, 2, 0]), torch.tensor([1, 1, 0]), 3, 255)
    assert result.tolist() == [[1, 0, 0], [0, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize("ignore_index", [-100, -1, 5, 255])
def test_any_void_label_outside_the_classes(ignore_index: int) -> None:
    target = torch.tensor([0, 4, ignore_index, ignore_index])
    result = confusion_matrix(torch.tensor([0, 4, 3, 0]), target, 5, ignore_index)
    assert result.sum() == 2
    assert result[0, 0] == result[4, 4] == 1


def test_a_negative_void_label_does_not_wrap_around() -> None:
    prediction = torch.full((3,), 156)
    result = confusion_matrix(prediction, prediction.to(torch.uint8), 200, -100)
    assert result[156, 156] == 3


@pytest.mark.parametrize("label", [5, 6, 200])
def test_a_label_out_of_range_is_an_error(label: int) -> None:
    with pytest.raises(ValueError, match=rf"target: got the label {label}, expected 0\.\.4 or 255 \(void\)"):
        confusion_matrix(torch.tensor([0, 3]), torch.tensor([0, label], dtype=torch.uint8), 5, 255)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.int64])
def test_a_negative_label_is_an_error_unless_it_is_void(dtype: torch.dtype) -> None:
    target = torch.tensor([0, -1, -2], dtype=dtype)
    with pytest.raises(ValueError, match=r"target: got the label -2, expected 0\.\.4 or -1 \(void\)"):
        confusion_matrix(torch.tensor([0, 3, 3]), target, 5, -1)
    assert confusion_matrix(torch.tensor([0, 3]), target[:2], 5, -1).sum() == 1


def test_labels_of_more_than_one_piece() -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randint(0, 7, (2, 3, 300, 301), generator=generator)
    expected = torch.bincount((7 * target + prediction).flatten(), minlength=49).view(7, 7)
    assert torch.equal(confusion_matrix(prediction, target, 7, 255), expected)
    assert torch.equal(confusion_matrix(prediction.byte(), target.byte(), 7, 255), expected)


def test_nothing_valid_counts_nothing() -> None:
    assert not confusion_matrix(torch.tensor([0, 1]), torch.tensor([255, 255]), 2, 255).any()
    empty = torch.zeros(0, dtype=torch.int64)
    assert not confusion_matrix(empty, empty, 2, 255).any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("classes", [2, 11, 255, 300])
def test_predicted_classes_are_the_first_largest(
    dtype: torch.dtype, memory_format: torch.memory_format, classes: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 5, 7, generator=generator).to(dtype).to(memory_format=memory_format)
    logits[0, :, 0] = -torch.inf
    logits[1, :, :, 1:3] = logits[1, :, :, 1:3].round()  # many that are equal
    assert torch.equal(predicted_classes(logits).long(), logits.max(1).indices)
    assert torch.equal(predicted_classes(logits[..., ::2, 0]).long(), logits[..., ::2, 0].max(1).indices)


def test_predicted_classes_of_odd_logits() -> None:
    rows = [[-0.0, 0.0, -1.0], [-torch.inf, -torch.inf, -torch.inf], [1.0, torch.inf, torch.inf], [-2.0, -1.0, -1.0]]
    assert predicted_classes(torch.tensor(rows).unsqueeze(-1)).flatten().tolist() == [0, 0, 1, 1]
    assert predicted_classes(torch.zeros(0, 3, 4, 5)).shape == (0, 4, 5)
    many = torch.randn(5, 3, 600, 601, generator=torch.Generator().manual_seed(0))  # more than are worked on at once
    assert torch.equal(predicted_classes(many).long(), many.max(1).indices)


@pytest.mark.parametrize("label", [2**31 + 1, 2**32, 2**33 + 3])
def test_a_label_beyond_32_bits_does_not_wrap_around(label: int) -> None:
    assert confusion_matrix(torch.tensor([1]), torch.tensor([label]), 5, label).sum() == 0


def test_small_predictions_do_not_wrap_around() -> None:
    prediction = torch.tensor([250, 3], dtype=torch.uint8)
    counts = confusion_matrix(prediction, torch.tensor([254, 1], dtype=torch.uint8), 255, 255)
    assert counts[254, 250] == counts[1, 3] == 1
    assert counts.sum() == 2
