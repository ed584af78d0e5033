"""The metric: conversion, exactness under any split, ranks, void pixels, errors."""

import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from litseg.labels import Task
from litseg.metrics import SegmentationMetrics
from litseg.metrics.scores import scores

NAMES: dict[Task, list[str]] = {
    "multiclass": ["a", "b", "c", "d"],
    "binary": ["background", "foreground"],
    "multilabel": ["a", "b", "c", "d"],
}
TASKS = list(NAMES)
every_task = pytest.mark.parametrize("task", TASKS)


def batch(task: Task, images: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(images, 1 if task == "binary" else 4, 5, 7, generator=generator)
    shape = logits.shape if task == "multilabel" else (images, 5, 7)
    target = torch.randint(0, 4 if task == "multiclass" else 2, shape, generator=generator, dtype=torch.uint8)
    return logits, target.masked_fill(torch.rand(shape, generator=generator) < 0.3, 255)


def by_loop(task: Task, logits: Tensor, target: Tensor) -> Tensor:
    """One pixel after the other."""
    classes = len(NAMES[task])
    counts = torch.zeros((classes, 2, 2) if task == "multilabel" else (classes, classes), dtype=torch.int64)
    for index in torch.cartesian_prod(*[torch.arange(size) for size in target.shape]).tolist():
        label = int(target[tuple(index)])
        if label == 255:
            continue
        n, *rest = index
        if task == "multilabel":
            counts[rest[0], label, int(logits[tuple(index)] > 0)] += 1
        elif task == "binary":
            counts[label, int(logits[n, 0, rest[0], rest[1]] > 0)] += 1
        else:
            counts[label, max(range(classes), key=lambda c: float(logits[n, c, rest[0], rest[1]]))] += 1
    return counts


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[key], second[key]) or (first[key].isnan() and second[key].isnan()) for key in first
    )


@every_task
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_as_a_loop(task: Task, dtype: torch.dtype) -> None:
    logits, target = batch(task)
    metrics = SegmentationMetrics(NAMES[task], task)
    metrics.update(logits, target.to(dtype))
    expected = by_loop(task, logits, target)
    assert torch.equal(metrics.confusion, expected)
    assert same(metrics.compute(), scores(expected, NAMES[task]))


@every_task
def test_any_split_into_batches_gives_the_same_numbers(task: Task) -> None:
    logits, target = batch(task)
    whole = SegmentationMetrics(NAMES[task], task)
    whole.update(logits, target)
    for sizes in ([1] * 6, [2, 4], [5, 1]):
        split = SegmentationMetrics(NAMES[task], task)
        for part in zip(torch.split(logits, sizes), torch.split(target, sizes), strict=True):
            split.update(*part)
        assert same(split.compute(), whole.compute())


@every_task
def test_ranks_with_uneven_shares_add_up(task: Task) -> None:
    logits, target = batch(task)
    whole, other = SegmentationMetrics(NAMES[task], task), SegmentationMetrics(NAMES[task], task)
    whole.update(logits, target)
    other.update(logits[:1], target[:1])
    gather: dict[str, Any] = {
        "dist_sync_fn": lambda state, group: [state, other.confusion],  # noqa: ARG005
        "distributed_available_fn": lambda: True,
    }
    here = SegmentationMetrics(NAMES[task], task, **gather)
    here.update(logits[1:], target[1:])
    assert same(here.compute(), whole.compute())


@every_task
def test_void_pixels_do_not_count(task: Task) -> None:
    logits, target = batch(task)
    metrics, other = SegmentationMetrics(NAMES[task], task), SegmentationMetrics(NAMES[task], task)
    metrics.update(logits, target)
    void = (target == 255) if task == "multilabel" else (target == 255).unsqueeze(1)
    other.update(torch.where(void, 50 * torch.randn_like(logits), logits), target)
    assert same(metrics.compute(), other.compute())
    assert metrics.confusion.sum() == (target != 255).sum()


@every_task
def test_an_unused_void_label_changes_nothing(task: Task) -> None:
    logits, target = batch(task)
    clean = target.masked_fill(target == 255, 0)
    results = []
    for ignore_index in (255, -100, 17):
        metrics = SegmentationMetrics(NAMES[task], task, ignore_index=ignore_index)
        metrics.update(logits, clean)
        results.append(metrics.compute())
    assert same(results[0], results[1])
    assert same(results[0], results[2])


def test_all_void_is_nan_and_does_not_fail() -> None:
    metrics = SegmentationMetrics(["a", "b"], "multiclass")
    metrics.update(torch.zeros(1, 2, 3), torch.full((1, 3), 255))
    assert all(value.isnan() for value in metrics.compute().values())


def test_logits_between_0_and_1_are_still_logits() -> None:
    metrics = SegmentationMetrics(["background", "foreground"], "binary")
    metrics.update(torch.tensor([[[0.2, 0.4, -0.1]]]), torch.tensor([[1, 1, 0]]))
    assert metrics.compute()["pixel_accuracy"] == 1


def test_half_precision_logits() -> None:
    logits, target = batch("multiclass")
    first, second = (SegmentationMetrics(NAMES["multiclass"], "multiclass") for _ in range(2))
    first.update(logits.bfloat16(), target)
    second.update(logits.bfloat16().float(), target)
    assert same(first.compute(), second.compute())


def test_counts_stay_exact_above_the_integers_of_float32() -> None:
    metrics = SegmentationMetrics(["a", "b"], "multiclass")
    metrics.update(torch.tensor([[[1.0], [0.0]]]), torch.tensor([[0]]))
    metrics.confusion += torch.tensor([[2**24, 0], [0, 0]])
    metrics.update(torch.tensor([[[1.0], [0.0]]]), torch.tensor([[0]]))
    assert metrics.confusion[0, 0] == 2**24 + 2
    metrics.set_dtype(torch.float16).half().to(torch.bfloat16)
    assert metrics.confusion[0, 0] == 2**24 + 2


def test_reset_and_pickle() -> None:
    metrics = SegmentationMetrics(NAMES["multiclass"], "multiclass")
    metrics.update(*batch("multiclass"))
    copy = pickle.loads(pickle.dumps(metrics))
    assert same(copy.compute(), metrics.compute())
    metrics.reset()
    assert not metrics.confusion.any()


def test_names_are_the_keys() -> None:
    metrics = SegmentationMetrics(["background", "foreground"], "binary")
    metrics.update(torch.zeros(1, 1, 2), torch.tensor([[0, 1]]))
    result = metrics.compute()
    assert list(result)[:6] == ["miou", "mdice", "precision", "recall", "pixel_accuracy", "fwiou"]
    assert result["iou/background"] == 0.5
    assert result["iou/foreground"] == 0
    assert math.isclose(result["miou"], 0.25)


LOGITS, TARGET = torch.zeros(2, 4, 5, 6), torch.zeros(2, 5, 6, dtype=torch.int64)


@pytest.mark.parametrize(
    ("task", "logits", "target", "message"),
    [
        (
            "multiclass",
            LOGITS[:, :3],
            TARGET,
            r"logits: got float32 \(2, 3, 5, 6\), expected float \(N, 4, \*sp",
        ),
        ("multiclass", LOGITS.long(), TARGET, "logits: got int64"),
        ("multiclass", LOGITS, TARGET[:, :4], r"target: got int64 \(2, 4, 6\), expected integer \(2, 5, 6\)"),
        ("multiclass", LOGITS, TARGET.float(), "target: got float32"),
        ("multiclass", LOGITS, TARGET + 4, r"target: got the label 4, expected 0\.\.3 or 255 \(void\)"),
        ("binary", LOGITS, TARGET, r"logits: .* expected float \(N, 1, \*spatial\)"),
        ("binary", LOGITS[:, :1], TARGET + 2, r"target: got the label 2, expected 0\.\.1"),
        ("multilabel", LOGITS, TARGET, r"target: .* expected integer \(2, 4, 5, 6\) in multilabel mode"),
        ("multilabel", LOGITS, LOGITS.long() + 2, "target: got the label 2"),
    ],
)
def test_a_wrong_batch_is_named(task: Task, logits: Tensor, target: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegmentationMetrics(NAMES[task], task).update(logits, target)


@pytest.mark.parametrize(
    ("names", "task", "ignore_index", "message"),
    [
        (["a", "b"], "softmax", 255, "task: got 'softmax', expected one of 'multiclass', 'binary', 'multilabel'"),
        (["a", "a"], "multiclass", 255, r"class_names: got \['a', 'a'\], expected names that do not repeat"),
        (["a"], "multiclass", 255, "class_names: got 1"),
        (["a"], "binary", 255, r"class_names: got 1 .* expected \[background, foreground\] in binary mode"),
        (["a", "b", "c"], "binary", 255, "class_names: got 3"),
        ([], "multilabel", 255, "class_names: got 0"),
        (["a", "b"], "multiclass", 1, r"ignore_index: got 1, expected an integer outside the classes 0\.\.1"),
        (["a", "b", "c"], "multilabel", 0, "ignore_index: got 0"),
    ],
)
def test_a_wrong_setting_is_named(names: list[str], task: Any, ignore_index: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegmentationMetrics(names, task, ignore_index)
