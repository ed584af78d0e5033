"""Scores of images: by hand, against the dataset-level scores of one image, ids, joining."""

import math

import pytest
import torch

from litseg.labels import Task
from litseg.metrics import ImageConfusion
from litseg.metrics.confusion_matrix import task_confusion
from litseg.metrics.image_scores import image_overlap, image_scores
from litseg.metrics.scores import scores
from tests.metrics.cases import CLASSES, NAMES, batch


def test_by_hand() -> None:
    matrices = torch.tensor([[[3, 1, 0], [0, 4, 0], [0, 0, 0]], [[8, 0, 0], [0, 0, 0], [0, 0, 0]]])
    result = {name: float(value) for name, value in image_scores(matrices, ["a", "b", "c"]).items()}
    assert result == pytest.approx(
        {
            "image_miou": ((3 / 4 + 4 / 5) / 2 + 1) / 2,
            "image_mdice": ((6 / 7 + 8 / 9) / 2 + 1) / 2,
            "image_iou/a": (3 / 4 + 1) / 2,
            "image_iou/b": 4 / 5,
            "image_iou/c": math.nan,
            "image_dice/a": (6 / 7 + 1) / 2,
            "image_dice/b": 8 / 9,
            "image_dice/c": math.nan,
        },
        nan_ok=True,
    )


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_one_image_scores_as_a_data_set_of_one_image(task: Task) -> None:
    prediction, target = batch()
    if task == "multilabel":
        hot = torch.arange(CLASSES).view(1, -1, 1, 1)
        target = (target.unsqueeze(1) == hot).long().masked_fill(target.unsqueeze(1) == 255, 255)
        prediction = (prediction.unsqueeze(1) == hot).long()
    metric = ImageConfusion(NAMES, task)
    metric.update(prediction, target, list("abcdef"))
    ids, matrices = metric.compute()
    assert ids == list("abcdef")
    assert torch.equal(matrices.sum(0), task_confusion(prediction, target, task, CLASSES, 255))
    overlap = image_overlap(matrices)
    for index, matrix in enumerate(matrices):
        expected = scores(matrix, NAMES)
        for score, values in overlap._asdict().items():
            wanted = torch.stack([expected[f"{score}/{name}"] for name in NAMES])
            assert torch.equal(values[index].nan_to_num(-1), wanted.nan_to_num(-1))
    assert image_scores(matrices[:1], NAMES)["image_miou"] == scores(matrices[0], NAMES)["miou"]


def test_means_do_not_depend_on_order_split_or_merging() -> None:
    prediction, target = batch()
    whole, first, second = (ImageConfusion(NAMES, "multiclass") for _ in range(3))
    whole.update(prediction, target, list("abcdef"))
    second.update(prediction[:1], target[:1], ["a"])
    first.update(prediction[3:], target[3:], list("def"))
    first.update(prediction[1:3], target[1:3], list("bc"))
    first.merge_state(second)
    assert sorted(first.compute()[0]) == list("abcdef")
    merged, expected = (image_scores(metric.compute()[1], NAMES) for metric in (first, whole))
    assert repr(merged) == repr(expected)


def test_ids_keep_every_letter() -> None:
    metric = ImageConfusion(["a", "b"], "multiclass")
    names = ["Zürich/0001.png", "", "写真 1"]
    metric.update(torch.zeros(3, 2, 2).long(), torch.zeros(3, 2, 2).long(), names)
    assert metric.compute()[0] == names


@pytest.mark.parametrize("ids", [["a"], ["a", "b\0c"]])
def test_ids_that_do_not_fit(ids: list[str]) -> None:
    with pytest.raises(ValueError, match=r"ids: got .* expected 2 names"):
        ImageConfusion(["a", "b"], "multiclass").update(torch.zeros(2, 2, 2).long(), torch.zeros(2, 2, 2).long(), ids)
