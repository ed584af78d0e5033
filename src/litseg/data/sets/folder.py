"""Your own data: a folder of images and a folder of masks, described in YAML."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from litseg.data.sets.pairing import files_by_stem, pair_files
from litseg.data.source import SPLITS, Pair, Source


class Folder(Source):
    """Images in `root/images`, masks of the same names in `root/masks`.

    Either with a folder for each split (`images/train`, `masks/train`, and the same for val and test; a missing val
    takes its share of train, a missing test is not tested), or flat, split by seeded shares.
    In multilabel each split of masks holds one folder per class (`masks/train/<class name>/`). Several `inputs` are
    folders like `images`, side by side; their files of one name are stacked into one input.

    Args:
        root: the folder that holds `images` and `masks`.
        inputs: the folders of images in `root`, such as [rgb, depth]; `channels` then says how many each has.
        val_share: share of the samples that become the validation split where none is given.
        test_share: share of the samples that become the test split of a flat folder.
        **source: class_names, task, void, label_map, channels, mean, std and so on; see `Source`.
    """

    def __init__(
        self,
        root: str,
        *,
        class_names: Sequence[str],
        inputs: Sequence[str] = ("images",),
        val_share: float = 0.15,
        test_share: float = 0.15,
        **source: Any,
    ) -> None:
        self.root, self.inputs = Path(root), tuple(inputs)
        given = self._given()
        super().__init__(class_names, val_share=val_share, test_share=0.0 if given else test_share, **source)
        if len(self.channels) != len(self.inputs):
            raise ValueError(
                f"data.channels: expected one number for each of data.inputs={list(self.inputs)}, "
                f"got {list(self.channels)}"
            )

    def official(self, split: str) -> list[Pair]:
        """The samples of a split's folders, sorted by name; of a flat folder all are in train."""
        images = self.root / self.inputs[0]
        if not images.is_dir():
            expected = " and ".join(f"{self.root}/{name}" for name in (*self.inputs, "masks"))
            raise ValueError(f"no folder {images}: expected {expected}; check data.root")
        given = self._given()
        if not given:
            return self._paired("") if split == "train" else []
        if files_by_stem(images):
            raise ValueError(
                f"{images}: expected either files or the folders train, val, test; got {given} beside files"
            )
        if "train" not in given:
            raise ValueError(f"{images}: expected a folder train, got only {given}")
        return self._paired(split) if split in given else []

    def _given(self) -> list[str]:
        return [name for name in SPLITS if (self.root / self.inputs[0] / name).is_dir()]

    def _paired(self, split: str) -> list[Pair]:
        masks = self.root / "masks" / split
        folders = [masks / name for name in self.class_names] if self.task == "multilabel" else [masks]
        return pair_files([self.root / name / split for name in self.inputs], folders)
