"""The one object of an evaluation: its parts together, each task, tables, curves, splits, ranks, errors."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from litseg.labels import Task
from litseg.metrics import EvaluationMetrics, SegmentationMetrics
from litseg.metrics.evaluation import PARTS
from tests.metrics.cases import CLASSES, NAMES, batch, logits_of
from tests.metrics.uneven_ranks import evaluate, everything

TASKS: list[Task] = ["multiclass", "binary", "multilabel"]
IDS = [f"image{index}" for index in range(6)]


def names_of(task: Task) -> list[str]:
    return ["background", "foreground"] if task == "binary" else NAMES


def inputs(task: Task) -> tuple[Tensor, Tensor]:
    prediction, target = batch()
    logits = logits_of(prediction)
    if task == "multiclass":
        return logits, target
    hot = (target.unsqueeze(1) == torch.arange(CLASSES).view(1, -1, 1, 1)).long()
    hot = hot.masked_fill(target.unsqueeze(1) == 255, 255)
    return (logits - 2, hot) if task == "multilabel" else (logits[:, [1]] - 2, hot[:, 1])


def evaluation(task: Task, sizes: tuple[int, ...] = (6,), **settings: Any) -> EvaluationMetrics:
    metrics, done = EvaluationMetrics(names_of(task), task, **settings), 0
    for logits, target in zip(*(torch.split(each, [*sizes]) for each in inputs(task)), strict=True):
        metrics.update(logits, target, IDS[done : done + len(target)])
        done += len(target)
    return metrics


@pytest.mark.parametrize("task", TASKS)
def test_holds_the_scores_of_training_to_the_last_digit(task: Task) -> None:
    training = SegmentationMetrics(names_of(task), task)
    training.update(*inputs(task))
    found = evaluation(task).compute()
    for name, value in training.compute().items():
        assert repr(found[name]) == repr(float(value)), name


@pytest.mark.parametrize("task", TASKS)
def test_any_split_gives_the_same_digits_everywhere(task: Task) -> None:
    assert repr(everything(evaluation(task))) == repr(everything(evaluation(task, (1, 3, 2))))


@pytest.mark.parametrize("task", TASKS)
def test_logits_of_void_change_nothing(task: Task) -> None:
    logits, target = inputs(task)
    void = (target if task == "multilabel" else target.unsqueeze(1)) == 255
    other = EvaluationMetrics(names_of(task), task)
    other.update(torch.where(void, torch.randn_like(logits), logits), target, IDS)
    assert repr(everything(other)) == repr(everything(evaluation(task)))


@pytest.mark.parametrize("task", TASKS)
def test_a_perfect_prediction(task: Task) -> None:
    target = inputs(task)[1]
    truth = target if task == "multilabel" else target.unsqueeze(1)
    right = truth == torch.arange(CLASSES).view(1, -1, 1, 1) if task == "multiclass" else truth == 1
    metrics = EvaluationMetrics(names_of(task), task)
    metrics.update(torch.where(right, 30.0, -30.0), target, IDS)
    for name, value in metrics.compute().items():
        zero = name.startswith(("hausdorff95", "asd", "surface_missing", "ece"))
        assert value == pytest.approx(0.0 if zero else 1.0, abs=1e-6), name


def test_names_of_each_part() -> None:
    alone = evaluation("multiclass", parts=()).compute()
    assert "image_miou" in alone
    assert "kappa" in alone
    added = {"boundary": {"boundary_iou", "bf", "hausdorff95", "asd", "image_bf", "image_boundary_iou"},
             "calibration": {"ece"}, "ranking": {"auc", "average_precision"}}  # fmt: skip
    for part in PARTS:
        names = set(evaluation("multiclass", parts=[part]).compute()) - set(alone)
        assert {name for name in names if "/" not in name} == added[part]


def test_binary_ranks_the_foreground_alone() -> None:
    result = evaluation("binary").compute()
    assert result["auc"] == result["auc/foreground"]
    assert "auc/background" not in result


def test_images_come_worst_first() -> None:
    metrics = evaluation("multiclass")
    metrics.update(torch.zeros(1, CLASSES, 4, 4), torch.full((1, 4, 4), 255), ["void"])
    rows, values = metrics.images(), metrics.compute()
    assert sorted(row["id"] for row in rows) == [*IDS, "void"]
    scored = [row["image_miou"] for row in rows[:-1]]
    assert scored == sorted(scored)
    assert rows[-1]["id"] == "void"
    assert rows[-1]["valid_pixels"] == 0
    assert math.fsum(scored) / 6 == pytest.approx(values["image_miou"])
    assert list(rows[0]) == ["id", "image_miou", "image_mdice", "valid_pixels", *(f"iou/{name}" for name in NAMES)]


def test_class_rows_hold_scores_intervals_and_thresholds() -> None:
    metrics = evaluation("multiclass", thresholds={"class1": 0.5})
    values, intervals = metrics.compute(), metrics.intervals(resamples=100)
    rows = metrics.classes(intervals)
    assert [row["class"] for row in rows] == NAMES
    assert rows[1]["iou_low"] <= rows[1]["iou"] == values["iou/class1"] <= rows[1]["iou_high"]
    assert rows[1]["threshold"] == 0.5
    assert math.isnan(rows[0]["threshold"])
    assert rows[1]["dice_at_threshold"] == values["dice_at_threshold/class1"]
    assert {len(row) for row in rows} == {len(rows[0])}


def test_the_best_thresholds_win_where_they_were_chosen() -> None:
    chosen = evaluation("multilabel").best_thresholds()
    best = evaluation("multilabel", thresholds=chosen).compute()
    half = evaluation("multilabel", thresholds=dict.fromkeys(NAMES, 0.5)).compute()
    for name in NAMES:
        assert best[f"dice_at_threshold/{name}"] >= half[f"dice_at_threshold/{name}"] == best[f"dice/{name}"]


@pytest.mark.parametrize("task", TASKS)
def test_curves(task: Task) -> None:
    metrics = evaluation(task)
    curves, values = metrics.curves(), metrics.compute()
    assert json.loads(json.dumps(curves).replace("NaN", "null"))["reliability"]["ece"] == values["ece"]
    for name in curves["classes"]:
        precision_recall, by_threshold = curves["precision_recall"][name], curves["threshold_dice"][name]
        assert {len(each) for each in precision_recall.values()} == {len(precision_recall["recall"])}
        assert 20 < len(precision_recall["recall"]) <= 101
        assert precision_recall["recall"] == sorted(precision_recall["recall"], reverse=True)
        assert precision_recall["recall"][0] == 1
        assert 80 < len(by_threshold["thresholds"]) <= 101
        assert 0 <= min(by_threshold["dice"]) <= max(by_threshold["dice"]) <= 1
    assert sum(curves["reliability"]["count"]) == sum(row["valid_pixels"] for row in metrics.images())


def test_reset_begins_anew() -> None:
    metrics, fresh = evaluation("multiclass"), EvaluationMetrics(NAMES, "multiclass")
    metrics.reset()
    fresh.update(*inputs("multiclass"), IDS)
    metrics.update(*inputs("multiclass"), IDS)
    assert repr(everything(metrics)) == repr(everything(fresh))


def test_nothing_counted_is_nan() -> None:
    metrics = EvaluationMetrics(NAMES, "multiclass")
    with pytest.warns(UserWarning, match="before the ``update``"):
        values, images = metrics.compute(), metrics.images()
    assert all(math.isnan(value) or name.startswith("surface_missing") for name, value in values.items())
    assert images == []


def test_errors_say_what_is_expected() -> None:
    with pytest.raises(ValueError, match=r"parts: got \['surface'\], expected some of boundary, calibration, ranking"):
        EvaluationMetrics(NAMES, "multiclass", parts=["surface"])  # type: ignore[list-item]
    logits, target = inputs("multiclass")
    metrics = EvaluationMetrics(NAMES, "multiclass")
    with pytest.raises(ValueError, match="logits: got float32"):
        metrics.update(logits[:, :2], target, IDS)
    with pytest.raises(ValueError, match="logits: got NaN or infinity in the images"):
        metrics.update(logits.index_fill(0, torch.tensor([2]), math.nan), target, IDS)
    with pytest.raises(ValueError, match="target: got the label 7"):
        metrics.update(logits, target.masked_fill(target == 1, 7), IDS)


@pytest.mark.faults
def test_three_processes_with_uneven_shares_give_the_same_digits(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.metrics.uneven_ranks"]
    ranks = [subprocess.Popen([*command, str(r), str(tmp_path / "store"), str(tmp_path / "out")]) for r in range(3)]
    assert [process.wait(200) for process in ranks] == [0, 0, 0]
    assert (tmp_path / "out").read_text() == json.dumps(everything(evaluate(range(9))))
