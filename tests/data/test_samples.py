from itertools import chain

import pytest
import torch

from litseg.data.samples import EpochSampler, EvaluationSampler, Samples
from litseg.data.shapes import Shapes


def test_a_permutation_per_epoch_shared_evenly_among_ranks() -> None:
    def draw(epoch: int, rank: int, seed: int = 0) -> list[tuple[int, int]]:
        sampler = EpochSampler(11, seed, rank, world_size=2)
        sampler.set_epoch(epoch)
        assert len(list(sampler)) == len(sampler) == 5
        return list(sampler)

    both = draw(0, 0) + draw(0, 1)
    assert len({index for _, index in both}) == 10
    assert {epoch for epoch, _ in draw(3, 0)} == {3}
    assert [index for _, index in draw(0, 0)] != [index for _, index in draw(1, 0)]
    assert draw(1, 0) == draw(1, 0)
    assert draw(0, 0, seed=1) != draw(0, 0, seed=0)


@pytest.mark.parametrize(("length", "world_size"), [(5, 2), (7, 2), (7, 3), (1, 2), (4, 1)])
def test_evaluation_counts_every_sample_once_on_any_number_of_ranks(length: int, world_size: int) -> None:
    shares = [EvaluationSampler(length, rank, world_size) for rank in range(world_size)]
    indices = [index for _, index in chain.from_iterable(shares)]
    assert sorted(indices) == list(range(length))
    assert sum(map(len, shares)) == length


@pytest.mark.parametrize(
    ("task", "mask_shape", "labels"),
    [("multiclass", (32, 32), 6), ("binary", (32, 32), 2), ("multilabel", (5, 32, 32), 2)],
)
def test_items_travel_as_uint8_channels_first(task: str, mask_shape: tuple[int, ...], labels: int) -> None:
    source = Shapes(task=task, size=32, train=2, val=1, test=1)  # type: ignore[arg-type]
    samples = Samples(source, source.pairs("train"))
    item = samples[0, 1]
    assert (item["image"].dtype, item["image"].shape) == (torch.uint8, (3, 32, 32))
    assert (item["mask"].dtype, item["mask"].shape) == (torch.uint8, mask_shape)
    assert item["id"] == "00001"
    assert set(item["mask"].numpy().ravel().tolist()) <= {*range(labels), 255}
    assert len(samples) == 2
