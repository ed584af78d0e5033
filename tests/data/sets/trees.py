"""Small trees that imitate the layouts of real data sets, and the way to the real ones where they are at hand."""

import csv
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from litseg.data import (
    ADE20K,
    DSB2018,
    CamVid,
    ChaseDB1,
    Cityscapes,
    CocoStuff,
    Csv,
    Drive,
    Folder,
    OxfordPet,
    PascalVOC,
    Source,
)

SIZE = (36, 48)  # height, width: 192 blocks of 3 x 3, enough for the 172 labels of COCO-Stuff
NAMES = ["background", "object"]


def real_set(name: str) -> Path:
    """The folder of a real data set, in $LITSEG_DATA or shared/data beside the checkout; skips where it is absent."""
    folder = Path(os.environ.get("LITSEG_DATA") or Path(__file__).parents[4] / "shared" / "data") / name
    if not folder.is_dir():
        pytest.skip(f"the real data set {name} is not here; set LITSEG_DATA to the folder that holds it")
    return folder


def labels_of(values: Sequence[int], seed: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Blocks of 3 x 3 pixels that hold each value at least once, in a different order for each seed."""
    order = np.random.default_rng(seed).permutation(np.resize(np.array(values), size[0] * size[1] // 9))
    return np.kron(order.reshape(size[0] // 3, size[1] // 3), np.ones((3, 3))).astype(np.uint8)


def save_image(path: Path, seed: int, size: tuple[int, int] = SIZE, channels: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, zlib.crc32(path.name.encode())])  # an image in two splits is a leak
    pixels = rng.integers(0, 256, (*size, channels), dtype=np.uint8)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, photometric="rgb")
    else:
        Image.fromarray(pixels).save(path)


def save_mask(path: Path, labels: NDArray[Any], palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    if palette:
        image.putpalette([*range(255, -1, -1)] * 3)  # colours that are not the labels
    image.save(path)


def write_lines(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def camvid(root: Path) -> None:
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        for index in range(count):
            save_image(root / split / f"0001TP_{split}{index}.png", index)
            save_mask(root / f"{split}annot" / f"0001TP_{split}{index}.png", labels_of(range(12), index))


def oxford_pet(root: Path) -> None:
    names = [f"{breed}_{number}" for breed in ("Abyssinian", "beagle") for number in range(5)]
    for index, name in enumerate(names):
        save_image(root / "images" / f"{name}.jpg", index)
        save_mask(root / "annotations" / "trimaps" / f"{name}.png", labels_of((1, 2, 3), index))
    (root / "annotations" / "trimaps" / "._beagle_0.png").write_bytes(b"a Mac's notes, in the owner's archive")
    (root / "images" / "Abyssinian_34.mat").write_bytes(b"in the owner's archive too")
    write_lines(root / "annotations" / "trainval.txt", [f"{name} 1 1 1" for name in names[3:]])
    write_lines(root / "annotations" / "test.txt", [f"{name} 1 1 1" for name in names[:3]])
    write_lines(root / "annotations" / "list.txt", ["#Image CLASS-ID SPECIES BREED ID", *names])


VOC_LABELS = [*range(21), 255]


def pascal_voc(root: Path) -> None:
    """5 training and 2 validation images; 4 more that have no masks of VOC's."""
    folder = root / "VOCdevkit" / "VOC2012"
    names = [f"2007_{number:06d}" for number in range(11)]
    for index, name in enumerate(names):
        save_image(folder / "JPEGImages" / f"{name}.jpg", index)
    for index, name in enumerate(names[:7]):
        save_mask(folder / "SegmentationClass" / f"{name}.png", labels_of(VOC_LABELS, index), palette=True)
    write_lines(folder / "ImageSets" / "Segmentation" / "train.txt", names[:5])
    write_lines(folder / "ImageSets" / "Segmentation" / "val.txt", names[5:7])


def sbd(root: Path) -> None:
    """SBD's masks of one training image, one validation image and three further images of `pascal_voc`."""
    folder = root / "benchmark_RELEASE" / "dataset"
    names = [f"2007_{number:06d}" for number in (4, 5, 7, 8, 9)]
    (folder / "cls").mkdir(parents=True)
    for index, name in enumerate(names):
        content = {"Segmentation": labels_of(range(21), 100 + index), "CategoriesPresent": np.arange(1, 21)}
        savemat(folder / "cls" / f"{name}.mat", {"GTcls": content})
    write_lines(folder / "train.txt", names[1:4])
    write_lines(folder / "val.txt", [names[0], names[4]])


def cityscapes(root: Path) -> None:
    places = {"train": ("aachen", "bochum", "ulm"), "val": ("lindau",), "test": ("berlin",)}
    for split, cities in places.items():
        for city in cities:
            for frame in range(2):
                name = f"{city}_000000_{frame:06d}"
                labels = labels_of(range(34), frame) if split != "test" else np.zeros(SIZE, np.uint8)
                save_image(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", frame)
                save_mask(root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", labels)
                save_image(root / "gtFine" / split / city / f"{name}_gtFine_color.png", frame, channels=4)


def ade20k(root: Path) -> None:
    folder = root / "ADEChallengeData2016"
    for split, prefix, count in (("training", "ADE_train", 4), ("validation", "ADE_val", 2)):
        for index in range(1, count + 1):
            save_image(folder / "images" / split / f"{prefix}_{index:08d}.jpg", index)
            save_mask(folder / "annotations" / split / f"{prefix}_{index:08d}.png", labels_of(range(151), index))


COCO_UNUSED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)  # raw labels, from 0


def coco_stuff(root: Path) -> None:
    values = [value for value in (*range(182), 255) if value not in COCO_UNUSED]
    for split, numbers in (("train2017", range(4)), ("val2017", range(4, 6))):
        for index in numbers:
            save_image(root / "images" / split / f"{index:012d}.jpg", index)
            save_mask(root / "annotations" / split / f"{index:012d}.png", labels_of(values, index))


def dsb2018(root: Path) -> None:
    """20 samples of two sizes, with three nuclei each, the last two of which overlap."""
    for index in range(20):
        folder, size = root / f"{index:02d}ab", (36, 48) if index % 2 else (48, 36)
        save_image(folder / "images" / f"{folder.name}.png", index, size, channels=4)
        for number, (top, left) in enumerate(((3, 3), (20, 20), (22, 22))):
            mask = np.zeros(size, np.uint8)
            mask[top : top + 6, left : left + 6] = 255
            save_mask(folder / "masks" / f"{number}cd.png", mask)


def chase_db1(root: Path) -> None:
    for index in range(28):
        name = f"Image_{index // 2 + 1:02d}{'LR'[index % 2]}"
        save_image(root / f"{name}.jpg", index)
        save_mask(root / f"{name}_1stHO.png", labels_of((0, 1), index).astype(bool))
        save_mask(root / f"{name}_2ndHO.png", labels_of((0, 1), 100 + index).astype(bool))


def drive(root: Path) -> None:
    for split, start in (("training", 21), ("test", 1)):
        for number in range(start, start + 5):
            view = np.zeros(SIZE, np.uint8)
            view[6:30, 6:42] = 255
            save_image(root / split / "images" / f"{number:02d}_{split}.tif", number)
            save_mask(root / split / "1st_manual" / f"{number:02d}_manual1.gif", labels_of((0, 255), number))
            save_mask(root / split / "mask" / f"{number:02d}_{split}_mask.gif", view)


def folder_set(root: Path) -> None:
    for index in range(20):
        save_image(root / "images" / f"{index:02d}.png", index)
        save_mask(root / "masks" / f"{index:02d}.png", labels_of((0, 1), index))


def csv_set(root: Path) -> None:
    rows = [["image", "mask", "split", "group"]]
    for index, split in enumerate(["train"] * 6 + ["val"] * 2 + ["test"] * 2):
        save_image(root / "pictures" / f"{index}.jpg", index)
        save_mask(root / "truth" / f"{index}-mask.png", labels_of((0, 1), index))
        rows.append([f"pictures/{index}.jpg", f"truth/{index}-mask.png", split, f"patient{index // 2}"])
    with (root / "samples.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@dataclass(frozen=True)
class Tree:
    """A data set's fake tree and what is to be read from it.

    Attributes:
        write: writes it to a folder.
        source: the data set's class.
        counts: samples in train, val and test.
        classes: how many the set has.
        void: whether the tree has void pixels.
        options: the constructor's arguments besides root.
        file: what root is, within the folder.
    """

    write: Callable[[Path], None]
    source: type[Source]
    counts: tuple[int, int, int]
    classes: int
    void: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    file: str = ""

    def open(self, root: Path, **options: Any) -> Source:
        return self.source(str(root / self.file), **{**self.options, **options})


TREES = {  # by the name of the config in conf/data
    "camvid": Tree(camvid, CamVid, (6, 2, 3), 11),
    "oxford_pet": Tree(oxford_pet, OxfordPet, (6, 1, 3), 2),
    "pascal_voc": Tree(pascal_voc, PascalVOC, (5, 2, 0), 21),
    "cityscapes": Tree(cityscapes, Cityscapes, (6, 2, 0), 19),
    "ade20k": Tree(ade20k, ADE20K, (4, 2, 0), 150),
    "coco_stuff": Tree(coco_stuff, CocoStuff, (4, 2, 0), 171),
    "dsb2018": Tree(dsb2018, DSB2018, (14, 3, 3), 2, void=False),
    "chase_db1": Tree(chase_db1, ChaseDB1, (20, 0, 8), 2, void=False),
    "drive": Tree(drive, Drive, (5, 0, 5), 2),
    "folder": Tree(folder_set, Folder, (14, 3, 3), 2, void=False, options={"class_names": NAMES}),
    "csv": Tree(csv_set, Csv, (6, 2, 2), 2, void=False, options={"class_names": NAMES}, file="samples.csv"),
}
