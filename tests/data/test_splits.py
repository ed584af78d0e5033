import numpy as np
import pytest

from litseg.data.splits import shares, stratified_folds

RNG = np.random.default_rng(0)


def test_shares_are_seeded_and_of_the_right_size() -> None:
    names = [f"{index:03d}" for index in range(100)]
    part = shares(names, (0.2, 0.1), seed=3)
    assert np.bincount(part + 1).tolist() == [70, 20, 10]
    assert np.array_equal(part, shares(names, (0.2, 0.1), seed=3))
    assert not np.array_equal(part, shares(names, (0.2, 0.1), seed=4))


def test_groups_are_never_divided() -> None:
    groups = [f"patient{index // 4}" for index in range(40)]
    part = shares(groups, (0.3,), seed=0).reshape(10, 4)
    assert (part == part[:, :1]).all()
    assert (part == 0).sum() == 12
    presence = RNG.random((40, 3)) < 0.5
    fold = stratified_folds(groups, presence, 5, seed=0).reshape(10, 4)
    assert (fold == fold[:, :1]).all()


def test_a_share_is_never_empty() -> None:
    assert (shares(["a", "b", "c"], (0.01,), seed=0) == 0).sum() == 1
    assert (shares(["a", "b", "c"], (0.0, 0.0), seed=0) == -1).all()


def test_folds_hold_equal_parts_of_every_class() -> None:
    presence = np.stack([RNG.random(200) < share for share in (1.0, 0.5, 0.1, 0.05)], axis=1)
    fold = stratified_folds([str(index) for index in range(200)], presence, 5, seed=0)
    per_fold = np.stack([presence[fold == k].sum(0) for k in range(5)])
    assert np.ptp(np.bincount(fold)) <= 4
    assert (np.abs(per_fold - presence.sum(0) / 5) <= [4, 3, 1, 1]).all()
    random = RNG.permutation(np.arange(200) % 5)
    by_chance = np.stack([presence[random == k].sum(0) for k in range(5)])
    assert np.ptp(per_fold[:, 2:], axis=0).sum() < np.ptp(by_chance[:, 2:], axis=0).sum()


def test_too_many_folds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.folds: expected 2 to 3.*got 5"):
        stratified_folds(["a", "b", "c"], np.ones((3, 2), dtype=bool), 5, seed=0)
