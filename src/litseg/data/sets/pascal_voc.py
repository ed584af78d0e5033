"""Pascal VOC 2012, objects in everyday photographs, with the extra annotations of SBD if wanted."""

from pathlib import Path
from typing import Any

import numpy as np

from litseg.data.fetching.archives import SBD, VOC2012
from litseg.data.fetching.download import download as fetch_missing
from litseg.data.sets.matching import files_by_name, inner, listed_names, matched
from litseg.data.sets.sbd import masks_as_png
from litseg.data.source import Pair, Source
from litseg.labels import Task

CLASS_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def voc_colours(count: int) -> list[tuple[int, int, int]]:
    """The colours of the labels 0 to count - 1 in VOC's palette: a label's bits, dealt to red, green and blue in turn.

    Args:
        count: 1 to 256.

    Source: VOClabelcolormap in the VOC 2012 development kit.
    """
    labels = np.arange(count)
    channels = [sum((labels >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)) for channel in range(3)]
    return [(int(red), int(green), int(blue)) for red, green, blue in np.stack(channels, axis=-1)]


class PascalVOC(Source):
    """Pascal VOC 2012 segmentation: 1464 training and 1449 validation images, 21 classes, void 255 along outlines.

    Layout: `root/VOCdevkit/VOC2012/{JPEGImages,SegmentationClass,ImageSets/Segmentation}` (or `root` is that VOC2012).
    The labels of the test split are with the organisers' server: there is no test here, and val selects.

    `augmented` takes the 10582 training images that most papers use. They are read from `SegmentationClassAug/NAME.png`
    and `ImageSets/Segmentation/trainaug.txt` in VOC2012 where they exist. Otherwise SBD is expected in
    `root/benchmark_RELEASE/dataset` (`cls/NAME.mat`, `train.txt`, `val.txt`): then the list is VOC's train and SBD's
    train and val, less VOC's val; the .mat files are converted once, to PNGs in the cache; images that VOC itself has
    annotated keep VOC's masks.

    Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/; Hariharan et al., Semantic contours from inverse
    detectors, ICCV 2011.

    Args:
        root: the folder that holds `VOCdevkit` (and `benchmark_RELEASE`).
        task: multiclass, the only one these labels are for.
        augmented: train on SBD's annotations too.
        download: fetch what is missing from the owner first, 2.0 GB (augmented: 3.4 GB).
        **source: resize, fold, folds and so on; see `Source`.
    """

    citation = (
        "Everingham, Van Gool, Williams, Winn, Zisserman, The Pascal Visual Object Classes (VOC) Challenge, IJCV 2010"
    )

    def __init__(
        self, root: str, task: Task = "multiclass", augmented: bool = False, download: bool = False, **source: Any
    ) -> None:
        if task != "multiclass":
            raise ValueError(
                f"data.task: Pascal VOC has one of 21 classes at each pixel, expected multiclass, got {task}"
            )
        super().__init__(CLASS_NAMES, void=255, palette=voc_colours(21), **source)
        self.root, self.augmented = Path(root), augmented
        if download:
            fetch_missing([*VOC2012, *(SBD if augmented else ())], root)

    def official(self, split: str) -> list[Pair]:
        """VOC's train (or the augmented list) and val, in the order of the lists; no test."""
        if split == "test":
            return []
        folder = inner(inner(self.root, "VOCdevkit"), "VOC2012")
        images = files_by_name(folder / "JPEGImages", "*.jpg")
        if split == "train" and self.augmented:
            return self._augmented(folder, images)
        names = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        return matched(images, files_by_name(folder / "SegmentationClass", "*.png"), listed_names(names), str(names))

    def _augmented(self, folder: Path, images: dict[str, Path]) -> list[Pair]:
        lists, converted = folder / "ImageSets" / "Segmentation", folder / "SegmentationClassAug"
        if converted.is_dir():
            names = listed_names(lists / "trainaug.txt")
            return matched(images, files_by_name(converted, "*.png"), names, str(lists / "trainaug.txt"))
        sbd = self.root / "benchmark_RELEASE" / "dataset"
        if not sbd.is_dir():
            raise ValueError(f"data.augmented: expected {converted} or SBD in {sbd}, found neither; set it to false")
        train, val = listed_names(lists / "train.txt"), listed_names(lists / "val.txt")
        extra = {*listed_names(sbd / "train.txt"), *listed_names(sbd / "val.txt")} - {*train, *val}
        masks = masks_as_png({name: sbd / "cls" / f"{name}.mat" for name in sorted(extra)})
        return matched(
            images, masks | files_by_name(folder / "SegmentationClass", "*.png"), sorted({*train, *extra}), str(sbd)
        )
