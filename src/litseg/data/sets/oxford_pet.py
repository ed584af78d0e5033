"""Oxford-IIIT Pet: cats and dogs with trimaps."""

from pathlib import Path
from typing import Any, Literal

from litseg.data.fetching.archives import OXFORD_PET
from litseg.data.fetching.download import download as fetch_missing
from litseg.data.sets.matching import files_by_name, inner, listed_names, matched
from litseg.data.source import Pair, Source
from litseg.labels import IGNORE_INDEX, Task

PET, BACKGROUND, BORDER = 1, 2, 3  # raw labels, annotations/README


class OxfordPet(Source):
    """Oxford-IIIT Pet: 3680 training and 3669 test images of many sizes, 37 breeds of cats and dogs.

    Layout: `root/images/NAME.jpg`, `root/annotations/trimaps/NAME.png`, `root/annotations/{trainval,test}.txt`, in
    `root` or in `root/oxford-iiit-pet`. There is no official validation split: a seeded share of trainval is taken.

    Source: https://www.robots.ox.ac.uk/~vgg/data/pets/ (the raw labels: annotations/README).

    Args:
        root: the folder that holds `images` and `annotations`.
        task: binary (background, pet) or multiclass, the trimap (pet, background, border).
        border: binary: what the unclassified rim of a pet counts as, `void`, `pet` or `background`.
        val_share: share of trainval that becomes the validation split; 0: none.
        download: fetch what is missing from the owner first, 0.8 GB.
        **source: resize, fold, folds and so on; see `Source`.
    """

    citation = "Parkhi, Vedaldi, Zisserman, Jawahar, Cats and Dogs, CVPR 2012"

    def __init__(
        self,
        root: str,
        task: Task = "binary",
        border: Literal["void", "pet", "background"] = "void",
        val_share: float = 0.15,
        download: bool = False,
        **source: Any,
    ) -> None:
        if task not in ("binary", "multiclass"):
            raise ValueError(f"data.task: Oxford-IIIT Pet expects binary or multiclass (the trimap), got {task}")
        meanings = {"void": IGNORE_INDEX, "pet": 1, "background": 0}
        if border not in meanings:
            raise ValueError(f"data.border: expected one of {list(meanings)}, got {border!r}")
        if task == "binary":
            names, label_map = ["background", "pet"], {BACKGROUND: 0, PET: 1, BORDER: meanings[border]}
            palette = [(0, 0, 0), (230, 120, 40)]
        else:
            names, label_map = ["pet", "background", "border"], {PET: 0, BACKGROUND: 1, BORDER: 2}
            palette = [(230, 120, 40), (0, 0, 0), (250, 230, 120)]
        super().__init__(names, task, label_map=label_map, palette=palette, val_share=val_share, **source)
        self.root = Path(root)
        if download:
            fetch_missing(OXFORD_PET, root)

    def official(self, split: str) -> list[Pair]:
        """Trainval as train, and test, in the order of the lists; no val."""
        if split == "val":
            return []
        folder = inner(self.root, "oxford-iiit-pet")
        names = folder / "annotations" / ("trainval.txt" if split == "train" else "test.txt")
        images = files_by_name(folder / "images", "*.jpg")
        masks = files_by_name(folder / "annotations" / "trimaps", "*.png")
        return matched(images, masks, listed_names(names), str(names))
