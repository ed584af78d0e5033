"""The LightningDataModule: a source's splits as loaders that give the same samples for any number of workers."""

import hashlib
import signal
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import cv2
import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from litseg.data.augmenting.augmentation import Augmentation
from litseg.data.augmenting.copy_paste import CopyPaste
from litseg.data.augmenting.rare_classes import Draw
from litseg.data.checking.findings import counted
from litseg.data.decoded import Decoded
from litseg.data.loader_processes import raise_open_files, warn_of_small_shared_memory
from litseg.data.machine import allowed_cpus, keep_freed_memory
from litseg.data.pair_table import PairTable
from litseg.data.samples import EpochSampler, EvaluationSampler, Item, Key, Mixing, Samples, collate
from litseg.data.scan import SplitScan, divided, leak, scan
from litseg.data.source import SPLITS, Source

Counts = NDArray[np.int64]
PREFETCHED = 2  # batches that each loader process keeps ready


def default_workers(accelerator: str, devices: int = 1) -> int:
    """Loader processes for each device: the allowed CPUs but one are shared among the devices, at most 8 each.

    A training step on the CPU uses every core itself, and a process that takes one away costs it more than loading in
    between does; there, only every fourth CPU loads (0 processes on fewer than four).
    """
    cpus = allowed_cpus()
    return min(8, cpus // 4 // devices if accelerator == "cpu" else max(1, (cpus - 1) // devices))


class DataModule(lightning.LightningDataModule):
    """Loaders over a `Source`.

    Args:
        source: the data set.
        transforms: albumentations transforms of the training images.
        batch_size: samples of a batch on each device.
        workers: loader processes, see `default_workers`; 0 loads in the training process.
        seed: decides the order of the samples and every augmentation.
        photometric_channels: the channels that colour transforms may change, see `Augmentation`.
        draw: makes the order of an epoch from the pixels of each class in each sample (`SplitScan.pixels`), such as
            `RareClasses`; None: every sample once.
        paste: makes a `CopyPaste` from the same; None: nothing is pasted.
        mix: mixes the samples of a training batch, see `litseg.data.augmenting.batch_mixing`.
        timeout: seconds that a batch of a loader process may take; then it hangs, which ends the training.
    """

    def __init__(
        self,
        source: Source,
        transforms: Sequence[Any],
        batch_size: int,
        workers: int = 0,
        seed: int = 0,
        photometric_channels: Sequence[int] | None = None,
        draw: Callable[[Counts], Callable[[np.random.Generator], Draw]] | None = None,
        paste: Callable[[Counts], CopyPaste] | None = None,
        mix: Mixing | None = None,
        timeout: float = 120,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"loader.batch_size: expected at least 1, got {batch_size}")
        if mix is not None and batch_size < 2:
            raise ValueError("mixing: a batch of one sample has no other to mix with; set loader.batch_size=2 or more")
        self.source, self.batch_size, self.seed = source, batch_size, seed
        self.workers, self.timeout = workers, timeout
        self.augmentation = Augmentation(transforms, seed, photometric_channels)
        self.draw, self.paste, self.mix = draw, paste, mix
        self._draw: Callable[[np.random.Generator], Draw] | None = None
        self._copy_paste: CopyPaste | None = None
        self.scans: dict[str, SplitScan] = {}
        self._pairs: dict[str, PairTable] = {}
        self._decoded: dict[str, Decoded] = {}
        self._begin = 0, 0

    def check(self, devices: int = 1) -> None:
        """Reads every split once and refuses what could not train; see `litseg.data.scan`.

        Args:
            devices: how many processes share the training samples.

        Raises:
            ValueError: what is wrong, where, and what to do.
        """
        self.scans = {split: found for split in SPLITS if (found := scan(self.source, split)) is not None}
        if "train" not in self.scans:
            raise ValueError("data: the train split is empty; check data.root and the split's files")
        if (count := len(self.scans["train"].sizes)) < self.batch_size * devices:
            raise ValueError(
                f"data: {count} training samples do not fill one batch of loader.batch_size={self.batch_size} on "
                f"{devices} device(s); lower loader.batch_size"
            )
        if len(self.scans) == 1:
            raise ValueError("data: there is neither a val nor a test split; set data.val_share, or data.folds")
        for split, found in self.scans.items():
            if len(found.sizes) < devices:
                raise ValueError(f"data: {len(found.sizes)} {split} sample(s) for {devices} devices; use fewer devices")
        self._refuse_leaks()
        pixels = self.scans["train"].pixels
        self._draw = None if self.draw is None else self.draw(pixels)
        self._copy_paste = None if self.paste is None else self.paste(pixels)
        self._refuse_ragged_batches()

    def check_split(self, split: str) -> SplitScan:
        """Reads one split and refuses what could not be scored: data that are only evaluated need no other.

        Raises:
            ValueError: there is no such split, or what `litseg.data.scan.scan` refuses.
        """
        found = scan(self.source, split)
        if found is None:
            there = [name for name in SPLITS if self.source.pairs(name)]
            raise ValueError(
                f"data: there is no {split} split; expected one of {', '.join(there) or 'none: no samples'}"
            )
        self.scans = {split: found}
        return found

    def sample_image(self) -> torch.Tensor:
        """The first training image as training sees it, (C, H, W)."""
        return self._training_samples()[0, 0]["image"]

    def resume_at(self, epoch: int, batches: int) -> None:
        """The training loader that is made next begins in this epoch, after so many of its batches."""
        self._begin = epoch, batches

    @property
    def fingerprint(self) -> str:
        """sha256 over the contents of all splits."""
        return hashlib.sha256("".join(found.fingerprint for found in self.scans.values()).encode()).hexdigest()

    def train_dataloader(self) -> DataLoader[Item]:
        """Shuffled and augmented, without the last, smaller batch (batch norm cannot take a batch of one)."""
        samples = self._training_samples()
        length = getattr(self._draw, "length", len(samples))  # an epoch may have samples several times
        sampler = EpochSampler(length, self.seed, *self._rank(), self._draw)
        sampler.set_epoch(self._begin[0])
        sampler.skip(self._begin[1] * self.batch_size)
        if self.workers:
            raise_open_files()
            warn_of_small_shared_memory(self._bytes_ahead(samples))
        return self._loader(samples, sampler, self.batch_size, drop_last=True)

    def val_dataloader(self) -> DataLoader[Item] | list[Any]:
        """Every sample once; none where the set has no validation split."""
        if not self.scans:
            self.check()
        return self.evaluation_loader("val") if "val" in self.scans else []

    def test_dataloader(self) -> DataLoader[Item]:
        """Every sample once."""
        return self.evaluation_loader("test")

    def evaluation_loader(self, split: str) -> DataLoader[Item]:
        """Every sample of a split once, in order and as it is; of train too."""
        samples = self._samples(split)
        # samples of several sizes go one by one: padding them to a common size would change their borders' logits
        batch_size = self.batch_size if self.scans[split].one_size else 1
        return self._loader(samples, EvaluationSampler(len(samples), *self._rank()), batch_size, drop_last=False)

    def _samples(self, split: str) -> Samples:
        if not self.scans:
            self.check()
        if split not in self._pairs:
            self._pairs[split] = PairTable(self.source.pairs(split))
            if self.source.cache != "none":
                found, pairs = self.scans[split], self._pairs[split]
                self._decoded[split] = Decoded(self.source, pairs, found, self.source.cache)
        return Samples(self.source, self._pairs[split], decoded=self._decoded.get(split))

    def _training_samples(self) -> Samples:
        samples = self._samples("train")
        samples.augmentation, samples.mixing, samples.seed = self.augmentation, self.mix, self.seed
        samples.copy_paste = self._copy_paste
        return samples

    def _loader(self, samples: Samples, sampler: Sampler[Key], batch_size: int, drop_last: bool) -> DataLoader[Item]:
        return ResumableLoader(
            samples,
            batch_size=batch_size,
            sampler=sampler,
            drop_last=drop_last,
            num_workers=self.workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.workers > 0,
            prefetch_factor=PREFETCHED if self.workers > 0 else None,
            timeout=self.timeout if self.workers > 0 else 0,  # a hung worker is an error, not an endless wait
            worker_init_fn=_start_worker,
            collate_fn=collate,
        )

    def _bytes_ahead(self, samples: Samples) -> int:
        """Of the training batches that all loader processes on this machine hold ready."""
        item = samples[0, 0]
        devices = 1 if self.trainer is None else self.trainer.num_devices
        batch = self.batch_size * (item["image"].nbytes + item["mask"].nbytes)
        return devices * self.workers * PREFETCHED * batch

    def _rank(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _refuse_leaks(self) -> None:
        for first, second in combinations(self.scans, 2):
            if groups := self.source.divided_groups(self.source.pairs(first), self.source.pairs(second)):
                raise ValueError(divided(first, second, groups))
            if found := leak(self.scans[first], self.scans[second]):
                here, there = self.source.pairs(first)[found[0][0]], self.source.pairs(second)[found[0][1]]
                raise ValueError(
                    f"data: {counted(len(found), 'image')} both in {first} and in {second}, such as {here.images[0]} "
                    f"and {there.images[0]}; expected splits without common images, remove them from one"
                )

    def _refuse_ragged_batches(self) -> None:
        """A few samples, the smallest and the largest among them, must have one size after augmentation."""
        if self.batch_size == 1:
            return
        areas = self.scans["train"].sizes.prod(axis=1)
        samples = self._training_samples()
        chosen = {int(areas.argmin()), int(areas.argmax()), *range(min(len(samples), 12))}
        shapes = {tuple(samples[epoch, index]["mask"].shape[-2:]) for index in chosen for epoch in (0, 1)}
        if len(shapes) > 1:
            raise ValueError(
                f"data: training images of different sizes ({', '.join(map(str, sorted(shapes)[:3]))} after "
                "augmentation) do not fit one batch; set data.resize=[height,width], choose augmentation=crop, or "
                "loader.batch_size=1"
            )


class ResumableLoader(DataLoader[Item]):
    """Tells Lightning that it can begin amid an epoch; where it begins, the sampler knows."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: see `EpochSampler.skip`."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""


def _start_worker(_worker: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # schedulers signal whole groups; the training still needs its loaders
    keep_freed_memory()
    cv2.setNumThreads(0)  # OpenCV would start as many threads as there are cores in every worker
