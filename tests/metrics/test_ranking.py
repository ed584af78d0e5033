"""Histograms and what follows from them: scikit-learn on the scores themselves, within the stated bounds."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, jaccard_score, precision_recall_curve, roc_auc_score
from torch import Tensor

from litseg.metrics import ScoreHistogram
from litseg.metrics.ranking import (
    area_under_roc,
    auc_error,
    average_precision,
    average_precision_error,
    best_thresholds,
    log_odds,
    overlap_at,
    overlap_by_threshold,
    precision_recall,
    score_histogram,
    thresholds,
)


def entries(count: int = 5000, spread: float = 1.5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Scores (1, 1, count) and target, a tenth of it positive, a fifth void."""
    generator = torch.Generator().manual_seed(seed)
    target = (torch.rand(1, 1, count, generator=generator) < 0.1).long()
    scores = spread * torch.randn(1, 1, count, generator=generator) + 2 * target - 2
    return scores, target.masked_fill(torch.rand(target.shape, generator=generator) < 0.2, 255)


@pytest.mark.parametrize("bins", [32, 256, 2048])
@pytest.mark.parametrize("spread", [0.1, 1.5, 12.0])
def test_within_the_bounds_of_what_scikit_learn_says(bins: int, spread: float) -> None:
    scores, target = entries(spread=spread)
    valid = target != 255
    histogram = score_histogram(scores, target, bins=bins)
    assert histogram.sum() == valid.sum()
    for ours, bound, theirs in (
        (area_under_roc, auc_error, roc_auc_score),
        (average_precision, average_precision_error, average_precision_score),
    ):
        difference = abs(ours(histogram).item() - theirs(target[valid].numpy(), scores[valid].numpy()))
        assert 0 <= difference <= bound(histogram).item() + 1e-12
    if bins == 2048 and spread == 1.5:  # scores beyond LIMIT, as at 12, are ties
        assert auc_error(histogram).item() < 2e-3


def test_precision_and_recall_at_each_threshold() -> None:
    scores, target = entries()
    valid = target != 255
    precision, recall = precision_recall(score_histogram(scores, target))
    theirs = precision_recall_curve(target[valid].numpy(), np.floor(scores[valid].numpy() * 64))
    for value, their_recall, edge in zip(*theirs, strict=False):
        index = int(edge) + 1024
        assert precision[0, index].item() == pytest.approx(value)
        assert recall[0, index].item() == pytest.approx(their_recall)


def test_dice_and_iou_are_those_of_the_thresholded_prediction() -> None:
    scores, target = entries()
    valid, histogram = target != 255, score_histogram(scores, target)
    for chosen in thresholds()[[0, 700, 1024, 1100]].tolist():
        said = (scores[valid].double().sigmoid() >= chosen).numpy()
        expected = jaccard_score(target[valid].numpy(), said)
        dice, iou = overlap_at(histogram, torch.tensor([chosen]))
        assert iou.item() == pytest.approx(expected)
        assert dice.item() == pytest.approx(2 * expected / (1 + expected))


def test_the_best_threshold_is_the_best() -> None:
    histogram = score_histogram(*entries())
    best = best_thresholds(histogram)
    assert overlap_at(histogram, best)[0] == overlap_by_threshold(histogram)[0].max()


def test_among_equal_thresholds_the_nearest_to_one_half() -> None:
    scores = torch.tensor([[[-8.0, -5.0, 6.0, 9.0]]])
    histogram = score_histogram(scores, torch.tensor([[[0, 0, 1, 1]]]))
    assert best_thresholds(histogram).item() == 0.5
    assert best_thresholds(score_histogram(scores, torch.zeros(1, 1, 4).long())).isnan().all()


def test_a_perfect_order_and_its_reverse() -> None:
    scores, target = torch.tensor([[[-3.0, -1.0, 1.0, 3.0]]]), torch.tensor([[[0, 0, 1, 1]]])
    perfect, reverse = score_histogram(scores, target), score_histogram(-scores, target)
    assert area_under_roc(perfect).item() == average_precision(perfect).item() == 1
    assert area_under_roc(reverse).item() == 0
    assert average_precision(reverse).item() == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_multiclass_is_each_class_against_the_rest() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, 9, 9, generator=generator)
    target = torch.randint(0, 4, (2, 9, 9), generator=generator).masked_fill(torch.rand(2, 9, 9) < 0.1, 255)
    scores = log_odds(logits)
    hot = (target.unsqueeze(1) == torch.arange(4).view(1, 4, 1, 1)).long()
    hot = hot.masked_fill((target == 255).unsqueeze(1), 255)
    together = score_histogram(scores, target)
    assert torch.equal(together, score_histogram(scores, hot))
    for index in range(4):
        alone = score_histogram(scores[:, [index]], hot[:, [index]])
        assert torch.equal(together[[index]], alone)


def test_log_odds_of_softmax() -> None:
    logits = torch.randn(2, 3, 5)
    others = torch.stack([logits[:, [k for k in range(3) if k != c]].logsumexp(1) for c in range(3)], 1)
    torch.testing.assert_close(log_odds(logits), logits - others, rtol=1e-4, atol=1e-4)


def test_scores_without_bound_and_half_precision() -> None:
    scores = torch.tensor([[[-math.inf, -1e9, 1e9, math.inf]]])
    histogram = score_histogram(scores, torch.tensor([[[0, 1, 0, 1]]]))
    assert histogram[0, :, [0, -1]].tolist() == [[1, 1], [1, 1]]
    half, target = entries()
    assert torch.equal(score_histogram(half.bfloat16(), target), score_histogram(half.bfloat16().float(), target))


def test_a_class_that_is_everywhere_or_nowhere() -> None:
    scores = torch.randn(1, 1, 20)
    everywhere, nowhere = (score_histogram(scores, torch.full((1, 1, 20), label)) for label in (1, 0))
    assert area_under_roc(everywhere).isnan()
    assert area_under_roc(nowhere).isnan()
    assert average_precision(everywhere).item() == 1
    assert average_precision(nowhere).isnan()
    assert overlap_by_threshold(nowhere)[0].isnan().all()
    assert overlap_at(everywhere, torch.tensor([math.nan]))[0].isnan()


def test_split_merge_and_void() -> None:
    scores, target = entries()
    whole, first, second = (ScoreHistogram(1) for _ in range(3))
    whole.update(scores, target)
    first.update(scores[..., :100], target[..., :100])
    second.update(torch.where(target == 255, 99.0, scores)[..., 100:], target[..., 100:])
    first.merge_state(second)
    assert torch.equal(first.compute(), whole.compute())
