"""The metric of boundaries: properties, joining, void, multilabel, errors."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from litseg.metrics import BoundaryMetrics
from litseg.metrics.boundary_metrics import boundary_f1
from tests.metrics.cases import CLASSES, NAMES, batch


def compute(prediction: Tensor, target: Tensor, sizes: tuple[int, ...] = (6,), **settings: Any) -> dict[str, float]:
    metric = BoundaryMetrics(NAMES, "multiclass", **settings)
    for part in zip(torch.split(prediction, [*sizes]), torch.split(target, [*sizes]), strict=True):
        metric.update(*part)
    return {name: float(value) for name, value in metric.compute().items()}


def same(first: dict[str, float], second: dict[str, float]) -> bool:
    return repr(first) == repr(second)  # NaN is NaN, and every bit counts


def test_a_perfect_prediction() -> None:
    target = batch()[1]
    result = compute(target.where(target != 255, 0), target)
    for name, value in result.items():
        expected = 0.0 if name.startswith(("hausdorff95", "asd", "surface_missing")) else 1.0
        assert value == expected, name


def test_what_is_predicted_on_void_changes_nothing() -> None:
    prediction, target = batch()
    other = torch.where(target == 255, (prediction + 1) % CLASSES, prediction)
    assert same(compute(prediction, target), compute(other, target))


def test_order_and_split_change_nothing() -> None:
    prediction, target = batch()
    whole, order = compute(prediction, target), torch.tensor([3, 1, 5, 0, 2, 4])
    assert same(whole, compute(prediction[order], target[order]))
    assert same(whole, compute(prediction, target, (1, 4, 1)))


def test_merged_metrics_and_one_without_images() -> None:
    prediction, target = batch()
    first, second, third = (BoundaryMetrics(NAMES, "multiclass") for _ in range(3))
    first.update(prediction[:2], target[:2])
    second.update(prediction[2:], target[2:])
    first.merge_state(second)
    first.merge_state(third)
    merged = {name: float(value) for name, value in first.compute().items()}
    assert same(merged, compute(prediction, target))


def test_means_of_images_and_of_the_data_set_by_hand() -> None:
    contours = torch.tensor([[[8, 10, 6, 10], [0, 0, 0, 0]], [[0, 0, 0, 30], [2, 2, 2, 2]]])
    precision, recall = 8 / 10, 6 / 40
    assert boundary_f1(contours.sum(0))[0].item() == pytest.approx(2 * precision * recall / (precision + recall))
    of_images = boundary_f1(contours)
    assert of_images[0, 0].item() == pytest.approx(2 * 0.8 * 0.6 / 1.4)
    assert of_images[0, 1].isnan()
    assert of_images[1].tolist() == [0, 1]


def test_classes_that_are_not_on_both_sides() -> None:
    target = torch.zeros(2, 10, 10, dtype=torch.int64)
    target[:, 2:5, 2:5] = 1
    prediction = target.clone()
    prediction[1, 2:5, 2:5] = 2
    result = compute(prediction, target, (2,))
    assert result["image_bf/class1"] == 0.5
    assert result["bf/class1"] == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert result["hausdorff95/class1"] == 0  # of the first image alone
    assert result["surface_missing/class1"] == result["surface_missing/class2"] == 1
    assert result["boundary_iou/class2"] == result["bf/class2"] == 0
    assert math.isnan(result["asd/class2"])
    for score in ("boundary_iou", "bf", "image_bf", "hausdorff95"):
        assert math.isnan(result[f"{score}/class3"])


def test_pixels_are_the_diagonal_times_the_share() -> None:
    prediction, target = batch()
    diagonal = math.hypot(*target.shape[1:])
    pixels: dict[str, Any] = {"width": 2.0, "tolerance": 1.5, "unit": "pixels"}
    shares: dict[str, Any] = {"width": 2.0 / diagonal, "tolerance": 1.5 / diagonal}
    assert same(compute(prediction, target, **pixels), compute(prediction, target, **shares))
    assert not same(compute(prediction, target), compute(prediction, target, **shares))


def test_multilabel_classes_are_binary_maps_of_their_own() -> None:
    prediction, target = batch()
    hot = torch.stack([(prediction == index).long() for index in range(2)], 1)
    truth = torch.stack([(target == index).long().masked_fill(target == 255, 255) for index in range(2)], 1)
    metric = BoundaryMetrics(NAMES[:2], "multilabel")
    metric.update(hot, truth)
    together = metric.compute()
    for index in range(2):
        alone = BoundaryMetrics(["background", NAMES[index]], "binary")
        alone.update(hot[:, index], truth[:, index])
        for name, value in alone.compute().items():
            if name.endswith(f"/{NAMES[index]}"):
                torch.testing.assert_close(together[name], value, rtol=0, atol=0, equal_nan=True)


def test_an_image_of_void_has_no_scores() -> None:
    result = compute(torch.zeros(1, 8, 8).long(), torch.full((1, 8, 8), 255), (1,))
    assert all(math.isnan(value) or name.startswith("surface_missing") for name, value in result.items())


def test_errors_say_what_is_expected() -> None:
    with pytest.raises(ValueError, match="boundary: got unit 'metres'"):
        BoundaryMetrics(NAMES, "multiclass", unit="metres")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"target: got shape \(2, 3, 4, 5\), expected images of height and width"):
        BoundaryMetrics(NAMES, "multiclass").update(torch.zeros(2, 3, 4, 5).long(), torch.zeros(2, 3, 4, 5).long())
