import math

import pytest
import torch

from litseg.metrics import batch_iou

IMAGES = torch.tensor([[[5, 1], [0, 3]], [[8, 0], [1, 0]], [[2, 2], [2, 2]]])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, ((5 / 6 + 8 / 9 + 2 / 6) / 3, (3 / 4 + 0 + 2 / 6) / 3)),
        (2, ((2 * 13 / 15 + 2 / 6) / 3, (2 * 3 / 5 + 2 / 6) / 3)),  # the last batch has one image, and weighs one
        (16, (15 / 21, 5 / 11)),  # one batch: the IoU of the data set
    ],
)
def test_by_hand(size: int, expected: tuple[float, float]) -> None:
    assert batch_iou(IMAGES, size, ["background", "nucleus"]) == pytest.approx(
        dict(zip(("background", "nucleus"), expected, strict=True))
    )


def test_a_batch_without_the_class_leaves_its_mean() -> None:
    empty = torch.tensor([[[9, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 3, 0], [0, 1, 0]]])
    found = batch_iou(empty, 1, ["a", "b", "c"])
    assert found == pytest.approx({"a": 1.0, "b": 3 / 4, "c": 0.0})
    assert math.isnan(batch_iou(empty[:1], 1, ["a", "b", "c"])["b"])


def test_multilabel_counts() -> None:
    counts = torch.tensor([[[[4, 1], [2, 3]], [[10, 0], [0, 0]]]])
    found = batch_iou(counts, 4, ["a", "b"])
    assert found["a"] == pytest.approx(3 / 6)
    assert math.isnan(found["b"])
