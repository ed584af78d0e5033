"""One split as a torch Dataset, and the order in which its samples are drawn."""

from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from litseg.data.augmentation import Augmentation
from litseg.data.reader import Array
from litseg.data.source import Pair, Source


class Item(TypedDict):
    """image: uint8 (3, H, W). mask: uint8 (H, W), multilabel (C, H, W), void 255. id: the sample's name."""

    image: torch.Tensor
    mask: torch.Tensor
    id: str


class Samples(Dataset[Item]):
    """The samples of one split; the key is (epoch, index), since a worker's own idea of the epoch grows stale."""

    def __init__(self, source: Source, pairs: Sequence[Pair], augmentation: Augmentation | None = None) -> None:
        self.source, self.pairs, self.augmentation = source, pairs, augmentation

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        epoch, index = key
        pair = self.pairs[index]
        image, mask = self.source.read_image(pair), self.source.read_mask(pair)
        if image.shape[:2] != mask.shape[:2]:
            raise ValueError(f"{pair.images[0]} is {_size(image)} but its mask {pair.masks[0]} is {_size(mask)}")
        if self.augmentation is not None:
            image, mask = self.augmentation(image, mask, epoch, index)
        return {"image": _channels_first(image), "mask": _channels_first(mask), "id": pair.id}


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, index): a fresh permutation per epoch from (seed, epoch), one slice of it for each rank.

    Lightning calls `set_epoch`. A rank's share leaves out the at most world-1 last samples of the permutation, so
    that all ranks hold equally many.
    """

    def __init__(self, length: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.length, self.seed, self.rank, self.world_size = length, seed, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration belongs to."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length // self.world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        usable = len(self) * self.world_size
        return ((self.epoch, int(index)) for index in order[self.rank : usable : self.world_size])


class EvaluationSampler(Sampler[tuple[int, int]]):
    """Yields (0, index) for every world_size-th sample: nothing is padded, so that no sample counts twice."""

    def __init__(self, length: int, rank: int = 0, world_size: int = 1) -> None:
        self.indices = range(rank, length, world_size)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((0, index) for index in self.indices)


def _channels_first(array: Array) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.permute(2, 0, 1) if tensor.ndim == 3 else tensor


def _size(array: Array) -> str:
    return f"{array.shape[0]} x {array.shape[1]}"
