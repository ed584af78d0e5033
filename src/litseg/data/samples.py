"""One split as a torch Dataset, and the order in which its samples are drawn."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler, default_collate

from litseg.data.augmenting.augmentation import Augmentation
from litseg.data.augmenting.copy_paste import CopyPaste
from litseg.data.augmenting.rare_classes import Draw
from litseg.data.decoded import Decoded
from litseg.data.reader import Array
from litseg.data.source import Pair, Source

COPY_PASTE, MIXING = 1, 2  # streams of random numbers beside the augmentation's


class Item(TypedDict):
    """A sample as it travels.

    image: (C, H, W), uint8, uint16 or float32. mask: uint8 (H, W), multilabel (C, H, W), void 255. id: its name.
    other_mask, share: of a sample that was blended with another one, see `litseg.data.augmenting.batch_mixing.MixUp`.
    """

    image: torch.Tensor
    mask: torch.Tensor
    id: str
    other_mask: NotRequired[torch.Tensor]
    share: NotRequired[torch.Tensor]


Key = tuple[int, ...]
"""All that a sample's random draws depend on besides the seed (a worker's own idea of the epoch grows stale):
(epoch, index), or (epoch, index, repeat, held_class): how often this epoch had this sample before, and the class it was
drawn for, which its crop must hold, -1 for none."""

Mixing = Callable[[list[Item], np.random.Generator], list[Item]]


class SampleError(ValueError):
    """A sample cannot be read, although every file was when the data were checked."""


class Samples(Dataset[Item]):
    """The samples of one split by `Key`.

    Args:
        source: the data set.
        pairs: the samples.
        augmentation: of each image and mask.
        copy_paste: puts objects of other samples on it before that.
        mixing: mixes the samples of a batch after that.
        seed: of copy_paste and mixing.
        decoded: gives the samples without reading their files.
    """

    def __init__(
        self,
        source: Source,
        pairs: Sequence[Pair],
        augmentation: Augmentation | None = None,
        copy_paste: CopyPaste | None = None,
        mixing: Mixing | None = None,
        seed: int = 0,
        decoded: Decoded | None = None,
    ) -> None:
        self.source, self.pairs, self.augmentation, self.decoded = source, pairs, augmentation, decoded
        self.copy_paste, self.mixing, self.seed = copy_paste, mixing, seed

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: Key) -> Item:
        epoch, index, repeat, held_class = _full(key)
        image, mask = self._read(index)
        if self.copy_paste is not None:
            rng = np.random.default_rng([self.seed, epoch, index, repeat, COPY_PASTE])
            image, mask = self.copy_paste(image, mask, rng, self._read)
        if self.augmentation is not None:
            image, mask = self.augmentation(image, mask, epoch, index, repeat, held_class)
        return {"image": _channels_first(image), "mask": _channels_first(mask), "id": self.pairs[index].id}

    def __getitems__(self, keys: Sequence[Key]) -> list[Item]:
        """One batch, which is what a DataLoader asks for; its first sample decides the draws of the mixing."""
        items = [self[key] for key in keys]
        if self.mixing is None:
            return items
        epoch, index, repeat, _ = _full(keys[0])
        return self.mixing(items, np.random.default_rng([self.seed, epoch, index, repeat, MIXING]))

    def _read(self, index: int) -> tuple[Array, Array]:
        if self.decoded is not None:
            return self.decoded[index]
        pair = self.pairs[index]
        try:
            image, mask = self.source.read_image(pair), self.source.read_mask(pair)
        except (OSError, ValueError) as error:
            raise SampleError(f"{error} (when the data were checked it could be read)") from error
        if image.shape[:2] != mask.shape[:2]:
            raise SampleError(f"{pair.images[0]} is {_size(image)} but its mask {pair.masks[0]} is {_size(mask)}")
        return image, mask


class EpochSampler(Sampler[Key]):
    """Yields the keys of an epoch: an order drawn from (seed, epoch), one slice of it for each rank.

    Lightning calls `set_epoch`. A rank's share leaves out the at most world-1 last samples of the order, so that all
    ranks hold equally many.

    Args:
        length: number of samples of an epoch.
        seed: the run's seed.
        rank: this process.
        world_size: how many processes share an epoch.
        draw: gives the order from a generator, see `litseg.data.augmenting.rare_classes`; None: every sample once.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        draw: Callable[[np.random.Generator], Draw] | None = None,
    ) -> None:
        self.length, self.seed, self.rank, self.world_size, self.draw = length, seed, rank, world_size, draw
        self.epoch, self.skipped = 0, 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration belongs to."""
        self.epoch = epoch

    def skip(self, samples: int) -> None:
        """The next iteration, and only that, begins after so many samples of this rank: a resume amid an epoch."""
        self.skipped = samples

    def __len__(self) -> int:
        return self.length // self.world_size

    def __iter__(self) -> Iterator[Key]:
        usable = len(self) * self.world_size
        keys = self._keys()[self.rank : usable : self.world_size][self.skipped :]
        self.skipped = 0
        return iter(keys)

    def _keys(self) -> list[Key]:
        """The whole epoch, of all ranks."""
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.draw is None:
            return [(self.epoch, int(index)) for index in rng.permutation(self.length)]
        keys, seen = list[Key](), Counter[int]()
        for index, held_class in zip(*(each.tolist() for each in self.draw(rng)), strict=True):
            keys.append((self.epoch, index, seen[index], held_class))
            seen[index] += 1
        return keys


class EvaluationSampler(Sampler[Key]):
    """Yields (0, index) for every world_size-th sample: nothing is padded, so that no sample counts twice."""

    def __init__(self, length: int, rank: int = 0, world_size: int = 1) -> None:
        self.indices = range(rank, length, world_size)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Key]:
        return ((0, index) for index in self.indices)


def collate(items: list[Item]) -> Item:
    """A batch: images (N, C, H, W) in channels-last memory, as they were decoded.

    To put the channels of bytes apart takes ten times as long as to copy them.
    """
    by_pixel = [item | {"image": item["image"].permute(1, 2, 0)} for item in items]
    batch: Item = default_collate(by_pixel)
    batch["image"] = batch["image"].permute(0, 3, 1, 2)
    return batch


def _full(key: Key) -> tuple[int, int, int, int]:
    epoch, index, repeat, held_class = (*key, 0, -1)[:4]
    return epoch, index, repeat, held_class


def _channels_first(array: Array) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.permute(2, 0, 1) if tensor.ndim == 3 else tensor


def _size(array: Array) -> str:
    return f"{array.shape[0]} x {array.shape[1]}"
