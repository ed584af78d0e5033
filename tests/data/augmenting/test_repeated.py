from collections import Counter

import numpy as np
import pytest

from litseg.data import DataModule, Repeated, Shapes
from litseg.data.samples import EpochSampler

PIXELS = np.ones((5, 3), dtype=np.int64)


def test_an_epoch_has_every_sample_so_often_pass_by_pass() -> None:
    indices, classes = Repeated(PIXELS, 4)(np.random.default_rng(0))
    assert set(classes) == {-1}
    passes = indices.reshape(4, 5)
    assert [sorted(each) for each in passes.tolist()] == [list(range(5))] * 4
    assert len({tuple(each) for each in passes.tolist()}) > 1


def test_every_use_of_a_sample_has_draws_of_its_own_and_ranks_share_the_epoch() -> None:
    keys = list(EpochSampler(20, 0, draw=Repeated(PIXELS, 4)))
    assert len(set(keys)) == 20
    assert Counter(index for _, index, _, _ in keys) == dict.fromkeys(range(5), 4)
    ranks = [list(EpochSampler(20, 0, rank, 2, Repeated(PIXELS, 4))) for rank in (0, 1)]
    assert [key for pair in zip(*ranks, strict=True) for key in pair] == keys


def test_the_loader_is_as_long_as_the_epoch() -> None:
    data = DataModule(Shapes(size=32, train=4, val=1, test=1), [], 2, draw=lambda pixels: Repeated(pixels, 3))
    data.check()
    loader = data.train_dataloader()
    assert len(loader) == 6
    ids = Counter(name for batch in loader for name in batch["id"])
    assert set(ids.values()) == {3}
    loader.sampler.skip(2 * 2)  # type: ignore[attr-defined]  # an EpochSampler: a resume after two batches
    assert len(list(loader)) == 4


def test_fewer_than_once_is_refused() -> None:
    with pytest.raises(ValueError, match=r"times: expected at least 1, got 0"):
        Repeated(PIXELS, 0)
