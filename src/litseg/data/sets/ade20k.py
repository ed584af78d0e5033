"""ADE20K, scenes of all kinds, in the version of the scene parsing challenge: 150 classes."""

from pathlib import Path
from typing import Any

from litseg.data.fetching.archives import ADE20K as ARCHIVES
from litseg.data.fetching.download import download as fetch_missing
from litseg.data.sets.matching import inner
from litseg.data.sets.pairing import pair_files
from litseg.data.source import Pair, Source
from litseg.labels import Task

CLASS_NAMES = tuple(  # the first of each class's names in the owner's list
    """wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth,
    door, table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field,
    armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard,
    chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway,
    case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower,
    book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine,
    hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth, television, airplane, dirt track,
    apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain,
    conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike,
    cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen,
    blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, monitor,
    bulletin board, shower, radiator, glass, clock, flag""".replace("\n    ", " ").split(", ")
)
PALETTE = (
    (120, 120, 120), (180, 120, 120), (6, 230, 230), (80, 50, 50), (4, 200, 3), (120, 120, 80), (140, 140, 140),
    (204, 5, 255), (230, 230, 230), (4, 250, 7), (224, 5, 255), (235, 255, 7), (150, 5, 61), (120, 120, 70),
    (8, 255, 51), (255, 6, 82), (143, 255, 140), (204, 255, 4), (255, 51, 7), (204, 70, 3), (0, 102, 200),
    (61, 230, 250), (255, 6, 51), (11, 102, 255), (255, 7, 71), (255, 9, 224), (9, 7, 230), (220, 220, 220),
    (255, 9, 92), (112, 9, 255), (8, 255, 214), (7, 255, 224), (255, 184, 6), (10, 255, 71), (255, 41, 10),
    (7, 255, 255), (224, 255, 8), (102, 8, 255), (255, 61, 6), (255, 194, 7), (255, 122, 8), (0, 255, 20),
    (255, 8, 41), (255, 5, 153), (6, 51, 255), (235, 12, 255), (160, 150, 20), (0, 163, 255), (140, 140, 140),
    (250, 10, 15), (20, 255, 0), (31, 255, 0), (255, 31, 0), (255, 224, 0), (153, 255, 0), (0, 0, 255),
    (255, 71, 0), (0, 235, 255), (0, 173, 255), (31, 0, 255), (11, 200, 200), (255, 82, 0), (0, 255, 245),
    (0, 61, 255), (0, 255, 112), (0, 255, 133), (255, 0, 0), (255, 163, 0), (255, 102, 0), (194, 255, 0),
    (0, 143, 255), (51, 255, 0), (0, 82, 255), (0, 255, 41), (0, 255, 173), (10, 0, 255), (173, 255, 0),
    (0, 255, 153), (255, 92, 0), (255, 0, 255), (255, 0, 245), (255, 0, 102), (255, 173, 0), (255, 0, 20),
    (255, 184, 184), (0, 31, 255), (0, 255, 61), (0, 71, 255), (255, 0, 204), (0, 255, 194), (0, 255, 82),
    (0, 10, 255), (0, 112, 255), (51, 0, 255), (0, 194, 255), (0, 122, 255), (0, 255, 163), (255, 153, 0),
    (0, 255, 10), (255, 112, 0), (143, 255, 0), (82, 0, 255), (163, 255, 0), (255, 235, 0), (8, 184, 170),
    (133, 0, 255), (0, 255, 92), (184, 0, 255), (255, 0, 31), (0, 184, 255), (0, 214, 255), (255, 0, 112),
    (92, 255, 0), (0, 224, 255), (112, 224, 255), (70, 184, 160), (163, 0, 255), (153, 0, 255), (71, 255, 0),
    (255, 0, 163), (255, 204, 0), (255, 0, 143), (0, 255, 235), (133, 255, 0), (255, 0, 235), (245, 0, 255),
    (255, 0, 122), (255, 245, 0), (10, 190, 212), (214, 255, 0), (0, 204, 255), (20, 0, 255), (255, 255, 0),
    (0, 153, 255), (0, 41, 255), (0, 255, 204), (41, 0, 255), (41, 255, 0), (173, 0, 255), (0, 245, 255),
    (71, 0, 255), (122, 0, 255), (0, 255, 184), (0, 92, 255), (184, 255, 0), (0, 133, 255), (255, 214, 0),
    (25, 194, 194), (102, 255, 0), (92, 0, 255),
)  # fmt: skip
FOLDERS = {"train": "training", "val": "validation"}


class ADE20K(Source):
    """ADE20K scene parsing: 20210 training and 2000 validation images of many sizes, 150 classes, void 0.

    Layout: `root/ADEChallengeData2016/{images,annotations}/{training,validation}/NAME.jpg or .png` (or `root` is that
    folder). The raw labels are 1 to 150. The labels of the test images are not public: there is no test here, and val
    selects.

    Source: http://sceneparsing.csail.mit.edu; names: CSAILVision/sceneparsing, objectInfo150.txt; colours: its
    color150, as mmsegmentation's mmseg/datasets/ade.py lists them.

    Args:
        root: the folder that holds `ADEChallengeData2016`.
        task: multiclass, the only one these labels are for.
        download: fetch what is missing from the owner first, 1.0 GB.
        **source: resize, fold, folds and so on; see `Source`.
    """

    citation = "Zhou, Zhao, Puig, Fidler, Barriuso, Torralba, Scene Parsing through ADE20K Dataset, CVPR 2017"

    def __init__(self, root: str, task: Task = "multiclass", download: bool = False, **source: Any) -> None:
        if task != "multiclass":
            raise ValueError(f"data.task: ADE20K has one of 150 classes at each pixel, expected multiclass, got {task}")
        label_map = {raw: raw - 1 for raw in range(1, 151)}
        super().__init__(CLASS_NAMES, void=0, label_map=label_map, palette=PALETTE, **source)
        self.root = Path(root)
        if download:
            fetch_missing(ARCHIVES, root)

    def official(self, split: str) -> list[Pair]:
        """The official training and validation, sorted by name; no test."""
        if split not in FOLDERS:
            return []
        folder = inner(self.root, "ADEChallengeData2016")
        return pair_files(folder / "images" / FOLDERS[split], [folder / "annotations" / FOLDERS[split]])
