"""COCO-Stuff: everyday photographs with 80 kinds of things and 91 kinds of stuff at each pixel."""

from pathlib import Path
from typing import Any

from litseg.data.fetching.archives import COCO_STUFF
from litseg.data.fetching.download import download as fetch_missing
from litseg.data.sets.matching import inner
from litseg.data.sets.pairing import pair_files
from litseg.data.sets.pascal_voc import voc_colours
from litseg.data.source import Pair, Source
from litseg.labels import Task

REMOVED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)  # ids of the owner's list that no pixel has
IDS = 182

CLASS_NAMES = tuple(  # the owner's list in its order, without those removed
    """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
    parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
    handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
    surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
    broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop,
    mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors,
    teddy bear, hair drier, toothbrush, banner, blanket, branch, bridge, building-other, bush, cabinet, cage,
    cardboard, carpet, ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff,
    dirt, door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog, food-other,
    fruit, furniture-other, grass, gravel, ground-other, hill, house, leaves, light, mat, metal, mirror-stuff, moss,
    mountain, mud, napkin, net, paper, pavement, pillow, plant-other, plastic, platform, playingfield, railing,
    railroad, river, road, rock, roof, rug, salad, sand, sea, shelf, sky-other, skyscraper, snow, solid-other, stairs,
    stone, straw, structural-other, table, tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete,
    wall-other, wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, window-other,
    wood""".replace("\n    ", " ").split(", ")
)


class CocoStuff(Source):
    """COCO-Stuff on COCO 2017: 118287 training and 5000 validation images, 171 classes.

    Layout: `root/images/{train,val}2017/NAME.jpg` and `root/annotations/{train,val}2017/NAME.png`, the maps of
    stuffthingmaps_trainval2017.zip; `root/stuffthingmaps` in the place of `annotations`, and `root` in the place of
    `root/images`, will do. A pixel holds an id of the owner's list less one, 255 is void. The labels of the test images
    are not public: there is no test here, and val selects.

    Source: https://github.com/nightrome/cocostuff, README (layout, 0 to 181 and 255) and labels.txt (names). The owner
    gives no colours: VOC's palette is used.

    Args:
        root: the folder that holds `images` and `annotations`.
        task: multiclass, the only one these labels are for.
        download: fetch what is missing from the owner first, 21 GB.
        **source: resize, fold, folds and so on; see `Source`.
    """

    citation = "Caesar, Uijlings, Ferrari, COCO-Stuff: Thing and Stuff Classes in Context, CVPR 2018"

    def __init__(self, root: str, task: Task = "multiclass", download: bool = False, **source: Any) -> None:
        if task != "multiclass":
            raise ValueError(
                f"data.task: COCO-Stuff has one of 171 classes at each pixel, expected multiclass, got {task}"
            )
        used = [number - 1 for number in range(1, IDS + 1) if number not in REMOVED]
        label_map = {raw: label for label, raw in enumerate(used)}
        palette = voc_colours(1 + len(CLASS_NAMES))[1:]
        super().__init__(CLASS_NAMES, void=255, label_map=label_map, palette=palette, **source)
        self.root = Path(root)
        if download:
            fetch_missing(COCO_STUFF, root)

    def official(self, split: str) -> list[Pair]:
        """The official train and val, sorted by number; no test."""
        if split == "test":
            return []
        masks = self.root / ("stuffthingmaps" if (self.root / "stuffthingmaps").is_dir() else "annotations")
        return pair_files(inner(self.root, "images") / f"{split}2017", [masks / f"{split}2017"])
