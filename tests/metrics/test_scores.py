"""Scores by hand, against a loop over pixels, and the rules for classes that are not there."""

import math

import pytest
import torch

from litseg.metrics.scores import scores

NAN = math.nan


def values(confusion: list[object], names: list[str]) -> dict[str, float]:
    return {name: value.item() for name, value in scores(torch.tensor(confusion), names).items()}


def test_by_hand() -> None:
    result = values([[3, 1, 0], [2, 4, 0], [0, 0, 10]], ["a", "b", "c"])
    assert result == pytest.approx(
        {
            "iou/a": 3 / 6,
            "iou/b": 4 / 7,
            "iou/c": 1.0,
            "dice/a": 6 / 9,
            "dice/b": 8 / 11,
            "dice/c": 1.0,
            "precision/a": 3 / 5,
            "precision/b": 4 / 5,
            "precision/c": 1.0,
            "recall/a": 3 / 4,
            "recall/b": 4 / 6,
            "recall/c": 1.0,
            "miou": (3 / 6 + 4 / 7 + 1) / 3,
            "mdice": (6 / 9 + 8 / 11 + 1) / 3,
            "precision": (3 / 5 + 4 / 5 + 1) / 3,
            "recall": (3 / 4 + 4 / 6 + 1) / 3,
            "pixel_accuracy": 17 / 20,
            "fwiou": (4 * 3 / 6 + 6 * 4 / 7 + 10 * 1) / 20,
        }
    )


def test_a_class_in_neither_truth_nor_prediction_has_no_score() -> None:
    result = values([[3, 1, 0], [2, 4, 0], [0, 0, 0]], ["a", "b", "c"])
    for score in ("iou", "dice", "precision", "recall"):
        assert math.isnan(result[f"{score}/c"])
    assert result["miou"] == pytest.approx((3 / 6 + 4 / 7) / 2)
    assert result["fwiou"] == pytest.approx((4 * 3 / 6 + 6 * 4 / 7) / 10)


def test_a_class_that_is_only_predicted_has_no_recall() -> None:
    result = values([[3, 1], [0, 0]], ["a", "b"])
    assert result["iou/b"] == result["dice/b"] == result["precision/b"] == 0
    assert math.isnan(result["recall/b"])
    assert result["recall"] == 3 / 4
    assert result["miou"] == (3 / 4) / 2


def test_a_class_that_is_never_predicted_has_precision_zero() -> None:
    result = values([[3, 0], [1, 0]], ["a", "b"])
    assert result["iou/b"] == result["dice/b"] == result["precision/b"] == result["recall/b"] == 0
    assert result["precision"] == (3 / 4) / 2


def test_nothing_counted_is_nan_throughout() -> None:
    for confusion in ([[0, 0], [0, 0]], [[[0, 0], [0, 0]]] * 2):
        assert all(math.isnan(value) for value in values(list(confusion), ["a", "b"]).values())


def test_multilabel_classes_are_matrices_of_their_own() -> None:
    result = values([[[5, 1], [2, 4]], [[12, 0], [0, 0]]], ["a", "b"])
    assert result["iou/a"] == pytest.approx(4 / 7)
    assert result["precision/a"] == pytest.approx(4 / 5)
    assert result["recall/a"] == pytest.approx(4 / 6)
    assert math.isnan(result["iou/b"])
    assert result["miou"] == pytest.approx(4 / 7)
    assert result["pixel_accuracy"] == pytest.approx((5 + 4 + 12) / 24)
    assert result["fwiou"] == pytest.approx(4 / 7)


def test_binary_is_multilabel_with_one_class() -> None:
    binary = values([[5, 1], [2, 4]], ["background", "foreground"])
    alone = values([[[5, 1], [2, 4]]], ["foreground"])
    for score in ("iou", "dice", "precision", "recall"):
        assert alone[f"{score}/foreground"] == binary[f"{score}/foreground"]


def test_as_a_loop_over_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randint(0, 4, (2, 300), generator=generator).tolist()
    counts = torch.zeros(4, 4, dtype=torch.int64)
    for p, t in zip(prediction, target, strict=True):
        counts[t, p] += 1
    result = values(counts.tolist(), list("abcd"))
    for c, name in enumerate("abcd"):
        said = {i for i, p in enumerate(prediction) if p == c}
        true = {i for i, t in enumerate(target) if t == c}
        assert result[f"iou/{name}"] == pytest.approx(len(said & true) / len(said | true))
        assert result[f"dice/{name}"] == pytest.approx(2 * len(said & true) / (len(said) + len(true)))
        assert result[f"precision/{name}"] == pytest.approx(len(said & true) / len(said))
        assert result[f"recall/{name}"] == pytest.approx(len(said & true) / len(true))


def test_counts_beyond_float32_keep_every_pixel() -> None:
    big = 2**30 + 1
    result = scores(torch.tensor([[big, 1], [0, big]]), ["a", "b"])
    assert result["iou/a"].dtype == torch.float64
    assert result["iou/a"].item() == big / (big + 1)
    assert result["pixel_accuracy"].item() == 2 * big / (2 * big + 1)


def test_the_matrix_fits_the_names() -> None:
    with pytest.raises(ValueError, match=r"confusion: got shape \(2, 2\), expected \(3, 3\) or \(3, 2, 2\)"):
        scores(torch.zeros(2, 2, dtype=torch.int64), ["a", "b", "c"])
