"""Cityscapes, street scenes of 50 cities: 34 ids in the files, 19 classes in training and evaluation."""

from pathlib import Path
from typing import Any

from litseg.data.sets.matching import files_by_name, matched
from litseg.data.source import Pair, Source
from litseg.labels import IGNORE_INDEX, Task

CLASSES: dict[str, tuple[int, tuple[int, int, int]]] = {  # name -> id in the files, colour
    "road": (7, (128, 64, 128)),
    "sidewalk": (8, (244, 35, 232)),
    "building": (11, (70, 70, 70)),
    "wall": (12, (102, 102, 156)),
    "fence": (13, (190, 153, 153)),
    "pole": (17, (153, 153, 153)),
    "traffic light": (19, (250, 170, 30)),
    "traffic sign": (20, (220, 220, 0)),
    "vegetation": (21, (107, 142, 35)),
    "terrain": (22, (152, 251, 152)),
    "sky": (23, (70, 130, 180)),
    "person": (24, (220, 20, 60)),
    "rider": (25, (255, 0, 0)),
    "car": (26, (0, 0, 142)),
    "truck": (27, (0, 0, 70)),
    "bus": (28, (0, 60, 100)),
    "train": (31, (0, 80, 100)),
    "motorcycle": (32, (0, 0, 230)),
    "bicycle": (33, (119, 11, 32)),
}
IDS = 34  # 0 unlabeled, ... 33 bicycle; those without a class are left out of the evaluation


class Cityscapes(Source):
    """Cityscapes, fine annotations: 2975 training and 500 validation images of 1024 x 2048, 19 classes.

    Layout: `root/leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` and `root/gtFine/SPLIT/CITY/*_gtFine_labelIds.png`, as the
    owner's archives unpack; they need an account, so that nothing is fetched here. The labels of the test split are
    with the owner's server: there is no test here, and val selects.

    Source: https://www.cityscapes-dataset.com; ids, train ids and colours: cityscapesScripts, helpers/labels.py.

    Args:
        root: the folder that holds `leftImg8bit` and `gtFine`.
        task: multiclass, the only one these labels are for.
        group_pattern: samples of one city stay together in folds, as in the owner's splits.
        **source: resize, fold, folds and so on; see `Source`.
    """

    citation = "Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016"

    def __init__(
        self, root: str, task: Task = "multiclass", group_pattern: str | None = r"^([^_]+)_", **source: Any
    ) -> None:
        if task != "multiclass":
            raise ValueError(
                f"data.task: Cityscapes has one of 19 classes at each pixel, expected multiclass, got {task}"
            )
        ids = [number for number, _ in CLASSES.values()]
        label_map = dict.fromkeys(range(IDS), IGNORE_INDEX) | {number: label for label, number in enumerate(ids)}
        palette = [colour for _, colour in CLASSES.values()]
        super().__init__(tuple(CLASSES), label_map=label_map, palette=palette, group_pattern=group_pattern, **source)
        self.root = Path(root)

    def official(self, split: str) -> list[Pair]:
        """The official train and val, sorted by city, sequence and frame; no test."""
        if split == "test":
            return []
        masks = self.root / "gtFine" / split
        images = files_by_name(self.root / "leftImg8bit" / split, "*/*_leftImg8bit.png")
        return matched(images, files_by_name(masks, "*/*_gtFine_labelIds.png"), where=str(masks))
