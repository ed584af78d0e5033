"""Boundary loss against hand-computed values and the formula of its authors' code, and the distances below it."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import BoundaryLoss, CompoundLoss, HausdorffLoss, distance_map
from litseg.losses.distance_map import signed_distances
from tests.losses.cases import MODES, make_labels, make_logits, make_void, value_and_gradient, with_void


def brute_force(inside: NDArray[np.bool_], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The distance of every valid pixel to the nearest one of the other side, pair by pair."""
    distances = np.zeros(inside.shape)
    for here in np.argwhere(valid):
        other = np.argwhere(valid & (inside != inside[tuple(here)]))
        nearest = np.sqrt(((other - here) ** 2).sum(1)).min() if len(other) else 0.0
        distances[tuple(here)] = -nearest if inside[tuple(here)] else nearest
    return distances


@pytest.mark.parametrize("shape", [(9,), (5, 6), (3, 4, 5)])
def test_distances_as_measured_pair_by_pair(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    inside = torch.rand(2, 3, *shape, generator=generator) < torch.tensor([0.1, 0.5, 0.9]).view(3, *[1] * len(shape))
    valid = torch.rand(2, 1, *shape, generator=generator) < 0.7
    ours = signed_distances(inside, valid)
    assert ours.dtype == torch.float32
    for image in range(2):
        for channel in range(3):
            expected = torch.from_numpy(brute_force(inside[image, channel].numpy(), valid[image, 0].numpy())).float()
            assert_close(ours[image, channel].where(valid[image, 0], 0.0), expected)


def test_a_region_without_an_edge_has_no_distances() -> None:
    valid = torch.tensor([True, True, False]).view(1, 1, 3)
    nowhere, everywhere, only_void = torch.tensor([[0, 0, 0], [1, 1, 0], [0, 0, 1]]).bool()[:, None, None]
    for inside in (nowhere, everywhere, only_void):
        assert not signed_distances(inside, valid).any()


def reference(p: NDArray[np.float64], one_hot: NDArray[np.int64]) -> float:
    """one_hot2dist and SurfaceLoss of the authors' code, one map for each class of an image."""
    distances = np.zeros(one_hot.shape)
    for image, classes in enumerate(one_hot.astype(bool)):
        for channel, positive in enumerate(classes):
            if positive.any():
                negative = ~positive
                outside, inside = distance_transform_edt(negative), distance_transform_edt(positive)
                distances[image, channel] = outside * negative - (inside - 1) * positive
    return float((p * distances).mean())


@pytest.mark.parametrize("mode", MODES)
def test_as_the_authors_compute_it(mode: Task) -> None:
    logits, target = make_logits(mode, dtype=torch.float64), make_labels(mode)
    if mode == "multiclass":
        target = target.masked_fill(target == 2, 0)  # a class that is nowhere
    one_hot = torch.nn.functional.one_hot(target, 4).movedim(-1, 1) if mode == "multiclass" else target.view_as(logits)
    p = logits.softmax(1) if mode == "multiclass" else logits.sigmoid()
    ours = BoundaryLoss(mode)(logits, target)
    assert_close(ours.item(), reference(p.numpy(), one_hot.numpy()), rtol=1e-6, atol=1e-6)


def test_by_hand() -> None:
    logits, target = torch.zeros(1, 1, 5), torch.tensor([[1, 1, 255, 0, 0]])
    phi = torch.tensor([-2.0, -1.0, 0.0, 2.0, 3.0])  # the void pixel keeps its place, but is no edge
    assert_close(BoundaryLoss("binary", reduction="none")(logits, target), phi[None] / 2)
    assert_close(BoundaryLoss("binary")(logits, target).item(), (-2 - 1 + 2 + 3) / 2 / 4)


def test_class_weights_are_those_of_a_mean() -> None:
    logits, target = make_logits("multiclass"), make_labels("multiclass")
    each = torch.stack([BoundaryLoss(class_weights=row)(logits, target) for row in torch.eye(4)])
    weights = torch.tensor([0.5, 2.0, 1.0, 0.25])
    assert_close(BoundaryLoss(class_weights=weights)(logits, target), (weights * each).sum() / weights.sum())


def test_perfect_is_smallest_and_negative() -> None:
    target = torch.zeros(1, 9, 9, dtype=torch.int64)
    target[:, 2:7, 2:7] = 1
    right = 20.0 * (2 * target[:, None] - 1)
    smallest = BoundaryLoss("binary")(right, target)
    assert smallest < 0
    for seed in range(5):
        noise = torch.randn(right.shape, generator=torch.Generator().manual_seed(seed))
        assert BoundaryLoss("binary")(right + 20 * noise, target) > smallest


def test_the_gradient_points_towards_the_edge() -> None:
    target = torch.tensor([[0, 0, 1, 1, 1, 1, 0]])
    _, slope = value_and_gradient(BoundaryLoss("binary", reduction="sum"), torch.zeros(1, 1, 7), target)
    assert_close(slope, torch.tensor([[[2.0, 1.0, 0.0, -1.0, -1.0, 0.0, 1.0]]]) / 4)


def test_terms_share_the_distances_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(inside: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        distances: torch.Tensor = signed_distances(inside, valid)
        return distances

    monkeypatch.setattr(distance_map, "signed_distances", counted)
    loss = CompoundLoss({"boundary": (1.0, BoundaryLoss()), "hausdorff": (2.0, HausdorffLoss())})
    logits, target = make_logits("multiclass"), with_void(make_labels("multiclass"), make_void())
    assert_close(loss(logits, target), BoundaryLoss()(logits, target) + 2 * HausdorffLoss()(logits, target))
    assert len(calls) == 3  # once together, twice alone; the prediction's are asked for by name
