"""Your own data: a folder of images and a folder of masks, described in YAML."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from litseg.data.pairing import files_by_stem, pair_files
from litseg.data.source import SPLITS, Pair, Source


class Folder(Source):
    """Images in `root/images`, masks of the same names in `root/masks`.

    Either with a folder for each split (`images/train`, `masks/train`, and the same for val and test; a missing val
    takes its share of train, a missing test is not tested), or flat, split by seeded shares.
    In multilabel each split of masks holds one folder per class (`masks/train/<class name>/`).

    Args:
        root: the folder that holds `images` and `masks`.
        val_share: share of the samples that become the validation split where none is given.
        test_share: share of the samples that become the test split of a flat folder.
        split_seed: seed of that division; it does not follow the run's seed, so that runs stay comparable.
        **source: class_names, task, void, label_map, resize, mean, std, palette; see `Source`.
    """

    def __init__(
        self,
        root: str,
        *,
        class_names: Sequence[str],
        val_share: float = 0.15,
        test_share: float = 0.15,
        split_seed: int = 0,
        label_map: Mapping[int, int] | None = None,
        **source: Any,
    ) -> None:
        super().__init__(class_names, label_map=label_map, **source)
        self.root, self.split_seed = Path(root), split_seed
        self.val_share, self.test_share = val_share, test_share
        if not 0 < val_share < 1 or not 0 <= test_share < 1 - val_share:
            raise ValueError(f"data: val_share {val_share} and test_share {test_share} must leave a share for train")

    def pairs(self, split: str) -> list[Pair]:
        """The samples of a split, sorted by name."""
        images = self.root / "images"
        if not images.is_dir():
            raise ValueError(f"no folder {images}: expected {self.root}/images and {self.root}/masks; check data.root")
        given = [name for name in SPLITS if (images / name).is_dir()]
        if not given:
            return self._share(self._paired(""), split, SPLITS)
        if files_by_stem(images):
            raise ValueError(
                f"{images}: expected either files or the folders train, val, test; got {given} beside files"
            )
        if "train" not in given:
            raise ValueError(f"{images}: expected a folder train, got only {given}")
        return self._given_or_shared(split, given)

    def _given_or_shared(self, split: str, given: list[str]) -> list[Pair]:
        if "val" not in given and split in ("train", "val"):
            return self._share(self._paired("train"), split, ("train", "val"))
        return self._paired(split) if split in given else []

    def _paired(self, split: str) -> list[Pair]:
        masks = self.root / "masks" / split
        folders = [masks / name for name in self.class_names] if self.task == "multilabel" else [masks]
        return pair_files(self.root / "images" / split, folders)

    def _share(self, pairs: list[Pair], split: str, among: Sequence[str]) -> list[Pair]:
        order = np.random.default_rng(self.split_seed).permutation(len(pairs))
        val = round(self.val_share * len(pairs))
        test = round(self.test_share * len(pairs)) if "test" in among else 0
        chosen = {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}[split]
        return [pairs[index] for index in sorted(chosen)]
