"""The bootstrap against a loop, and what an interval must do."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from litseg.metrics import bootstrap_intervals, intervals
from litseg.metrics.agreement import agreement
from litseg.metrics.scores import scores

NAMES = ["a", "b", "c"]


def all_scores(matrix: Tensor) -> dict[str, Tensor]:
    return scores(matrix, NAMES) | agreement(matrix, NAMES)


def matrices(images: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(0, 50, (images, 3, 3), generator=generator) + 100 * torch.eye(3).long()
    counts[3:, 2], counts[3:, :, 2] = 0, 0  # class c is in three images only
    return counts


@pytest.mark.parametrize("chunk", [1, 100, 2**22])
def test_as_a_loop_over_resamples(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "CHUNK", chunk)
    found = bootstrap_intervals(matrices(), all_scores, level=0.9, resamples=200, seed=3)
    times = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=200)
    drawn = [all_scores(sum(int(t) * m for t, m in zip(row, matrices(), strict=True))) for row in times]
    for name, interval in found.items():
        values = np.array([float(each[name]) for each in drawn])
        assert interval == pytest.approx(tuple(np.nanpercentile(values, [5, 95])), abs=1e-12), name
    assert any(math.isnan(float(each["iou/c"])) for each in drawn)  # some resamples are without class c


def test_multilabel_matrices() -> None:
    counts = torch.randint(1, 9, (6, 3, 2, 2))
    found = bootstrap_intervals(counts, all_scores, resamples=50)
    assert list(found) == list(all_scores(counts.sum(0)))
    assert all(low <= high for low, high in found.values())


def test_the_seed_decides_and_equal_images_leave_no_doubt() -> None:
    first, again, other = (bootstrap_intervals(matrices(), all_scores, resamples=50, seed=seed) for seed in (0, 0, 1))
    assert repr(first) == repr(again) != repr(other)
    equal = matrices()[:1].repeat(5, 1, 1)
    low, high = bootstrap_intervals(equal, all_scores, resamples=50)["miou"]
    assert low == pytest.approx(high, abs=1e-12)
    assert low == pytest.approx(float(all_scores(equal[0])["miou"]), abs=1e-12)


def test_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        right = rng.binomial(100, rng.beta(8, 2, 40))
        counts = torch.zeros(40, 2, 2, dtype=torch.int64)
        counts[:, 0, 0], counts[:, 1, 0] = torch.from_numpy(right), torch.from_numpy(100 - right)
        interval = bootstrap_intervals(counts, lambda m: {"right": m[0, 0] / m.sum()}, 0.9, 300, trial)["right"]
        hits += interval[0] <= 0.8 <= interval[1]
    assert 165 <= hits <= 192  # 180 expected


@pytest.mark.parametrize("images", [0, 1])
def test_fewer_than_two_images_have_no_interval(images: int) -> None:
    assert all(math.isnan(low) for low, _ in bootstrap_intervals(matrices()[:images], all_scores).values())


@pytest.mark.parametrize("settings", [{"level": 0.0}, {"level": 95.0}, {"resamples": 0}])
def test_errors_say_what_is_expected(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="intervals: got level"):
        bootstrap_intervals(matrices(), all_scores, **settings)  # type: ignore[arg-type]
