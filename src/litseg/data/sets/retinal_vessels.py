"""Blood vessels in photographs of the retina: CHASE_DB1 and DRIVE."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from litseg.data.reader import Array, read_pixels
from litseg.data.sets.matching import files_by_name, matched
from litseg.data.source import Pair, Source
from litseg.labels import IGNORE_INDEX, Task

CLASS_NAMES = ("background", "vessel")
PALETTE = ((0, 0, 0), (230, 60, 60))
CHASE_MEAN, CHASE_STD = (112.7, 41.0, 7.1), (90.1, 35.9, 9.4)  # of the training images, raw range
CHASE_TRAIN = 20  # the first images by name train, the last 8 test
OUTSIDE = 2  # raw label of what the camera does not see, in DRIVE


class ChaseDB1(Source):
    """CHASE_DB1: both eyes of 14 children, 28 images of 960 x 999, two annotations each; the first one is the truth.

    Layout: `root/Image_01L.jpg` and `root/Image_01L_1stHO.png` (`_2ndHO.png`, the second annotation, is not read). The
    first 20 images train, the last 8 test. There is no validation split unless `val_share` takes one from train;
    without it the last checkpoint is tested.

    Source: https://researchinnovation.kingston.ac.uk/en/datasets/chasedb1-retinal-vessel-reference-dataset-4/; the
    owner gives no split, 20 and 8 by name are those of mmsegmentation, tools/dataset_converters/chase_db1.py.

    Args:
        root: the folder that holds the files.
        task: binary or multiclass (two classes, softmax).
        val_share: share of train that becomes the validation split.
        group_pattern: both eyes of a child stay together in shares and folds.
        mean: per channel; None: of the training images, as std.
        std: per channel.
        **source: resize, fold, folds and so on; see `Source`.
    """

    citation = (
        "Fraz et al., An Ensemble Classification-Based Approach Applied to Retinal Blood Vessel Segmentation, TBME 2012"
    )

    def __init__(
        self,
        root: str,
        task: Task = "binary",
        val_share: float = 0.0,
        group_pattern: str | None = r"^Image_(\d+)",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        **source: Any,
    ) -> None:
        _check_task(task, "CHASE_DB1")
        label_map = {0: 0, 1: 1, 255: 1}  # copies differ in whether the PNGs hold bits or bytes
        self.root = Path(root)
        super().__init__(
            CLASS_NAMES,
            task,
            label_map=label_map,
            mean=mean or CHASE_MEAN,
            std=std or CHASE_STD,
            palette=PALETTE,
            val_share=val_share,
            group_pattern=group_pattern,
            **source,
        )

    def official(self, split: str) -> list[Pair]:
        """The first 20 images as train and the rest as test, sorted by name; no val."""
        if split == "val":
            return []
        images = files_by_name(self.root, "Image_*.jpg")
        pairs = matched(images, files_by_name(self.root, "Image_*_1stHO.png"), where=str(self.root))
        if len(pairs) <= CHASE_TRAIN:
            raise ValueError(f"{self.root}: expected the 28 images of CHASE_DB1, got {len(pairs)}; restore the files")
        return pairs[:CHASE_TRAIN] if split == "train" else pairs[CHASE_TRAIN:]


class Drive(Source):
    """DRIVE: 20 training and 20 test images of 584 x 565, the first annotation is the truth.

    Layout: `root/{training,test}/images/21_training.tif`, `1st_manual/21_manual1.gif`, `mask/21_training_mask.gif` (the
    field of view). Newer archives hold no `test/1st_manual`: then there is no test split. There is no validation split
    unless `val_share` takes one from train; without it the last checkpoint is tested. The owner asks for a
    registration, so that nothing is fetched here.

    Source: https://drive.grand-challenge.org

    Args:
        root: the folder that holds `training` and `test`.
        task: binary or multiclass (two classes, softmax).
        field_of_view: pixels outside it are void, as in the published scores; False: they are background.
        val_share: share of train that becomes the validation split.
        **source: resize, fold, folds and so on; see `Source`.
    """

    citation = "Staal et al., Ridge-Based Vessel Segmentation in Color Images of the Retina, TMI 2004"

    def __init__(
        self,
        root: str,
        task: Task = "binary",
        field_of_view: bool = True,
        val_share: float = 0.0,
        **source: Any,
    ) -> None:
        _check_task(task, "DRIVE")
        label_map = {0: 0, 255: 1, OUTSIDE: IGNORE_INDEX if field_of_view else 0}
        super().__init__(CLASS_NAMES, task, label_map=label_map, palette=PALETTE, val_share=val_share, **source)
        self.root = Path(root)

    def official(self, split: str) -> list[Pair]:
        """Training as train, and test where its annotations are there, sorted by name; no val."""
        name = {"train": "training", "test": "test"}.get(split, "")
        folder = self.root / name
        if not name or (split == "test" and not (folder / "1st_manual").is_dir()):
            return []
        views = files_by_name(folder / "mask", f"*_{name}_mask.gif")
        pairs = matched(
            files_by_name(folder / "images", f"*_{name}.tif"),
            files_by_name(folder / "1st_manual", "*_manual1.gif"),
            where=str(folder),
        )
        if missing := [pair.id for pair in pairs if pair.id not in views]:
            raise ValueError(f"{folder / 'mask'}: no field of view for {', '.join(missing[:3])}; restore the files")
        return [Pair(f"{pair.id}_{name}", pair.images, (*pair.masks, views[pair.id])) for pair in pairs]

    def raw_labels(self, pair: Pair) -> list[Array]:
        """0, 255 (vessel) and 2 (outside the field of view), by the colours of the GIFs: their indices mean nothing."""
        vessels, view = (read_pixels(path, 3, self.max_pixels)[..., 0] for path in pair.masks)
        return [np.where(view > 0, vessels, OUTSIDE).astype(np.uint8)]


def _check_task(task: Task, name: str) -> None:
    if task not in ("binary", "multiclass"):
        raise ValueError(f"data.task: {name} expects binary or multiclass (two classes), got {task}")
