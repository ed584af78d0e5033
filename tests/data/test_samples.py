from itertools import chain

import numpy as np
import pytest
import torch

from litseg.data.augmenting.rare_classes import Draw, RareClasses
from litseg.data.samples import EpochSampler, EvaluationSampler, Item, Key, Samples
from litseg.data.sets.shapes import Shapes


def test_a_permutation_per_epoch_shared_evenly_among_ranks() -> None:
    def draw(epoch: int, rank: int, seed: int = 0) -> list[Key]:
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


def test_a_resume_goes_on_where_the_epoch_stopped_and_the_next_epoch_is_whole() -> None:
    for world_size in (1, 2):
        sampler = EpochSampler(11, 0, world_size - 1, world_size)
        whole = list(sampler)
        sampler.skip(3)
        sampler.set_epoch(0)  # as Lightning does after a resume
        assert list(sampler) == whole[3:]
        assert list(sampler) == whole
        assert len(sampler) == len(whole)


def test_a_draw_decides_the_order_and_repeats_are_counted_over_all_ranks() -> None:
    def draw(rng: np.random.Generator) -> Draw:
        return np.array([4, 1, 4, 4, 0, 1]) + 0 * rng.permutation(6), np.array([2, -1, 0, 2, -1, 1])

    keys = [(3, 4, 0, 2), (3, 1, 0, -1), (3, 4, 1, 0), (3, 4, 2, 2), (3, 0, 0, -1), (3, 1, 1, 1)]
    for rank in (0, 1):
        sampler = EpochSampler(6, 0, rank, world_size=2, draw=draw)
        sampler.set_epoch(3)
        assert list(sampler) == keys[rank::2]


def test_rare_class_draws_are_decided_by_seed_and_epoch() -> None:
    rare = RareClasses(np.random.default_rng(0).integers(0, 3, (30, 4)), share=0.5)

    def draw(seed: int, epoch: int) -> list[Key]:
        sampler = EpochSampler(30, seed, draw=rare)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert draw(0, 1) == draw(0, 1)
    assert len({str([key[1:] for key in draw(seed, epoch)]) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_a_batch_is_mixed_by_its_first_key() -> None:
    source = Shapes(size=32, train=6, val=1, test=1)

    def mix(items: list[Item], rng: np.random.Generator) -> list[Item]:
        return [{**item, "id": f"{rng.integers(10**9)}"} for item in items]

    samples = Samples(source, source.pairs("train"), mixing=mix, seed=1)
    keys: dict[str, list[Key]] = {
        "first": [(0, 1), (0, 2)],
        "same": [(0, 1), (0, 3)],
        "index": [(0, 2), (0, 1)],
        "epoch": [(1, 1), (1, 2)],
        "repeat": [(0, 1, 1, -1), (0, 2, 0, -1)],
    }
    batches = {name: samples.__getitems__(each)[0]["id"] for name, each in keys.items()}
    assert batches["first"] == batches["same"]
    assert len(set(batches.values())) == 4


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
