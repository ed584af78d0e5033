from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litseg.data import CocoStuff
from tests.data.sets.trees import COCO_UNUSED, coco_stuff


def test_a_raw_label_is_the_owners_id_less_one() -> None:
    source = CocoStuff("nowhere")
    by_id = {  # labels.txt of the owner
        1: "person", 11: "fire hydrant", 13: "stop sign", 27: "backpack", 31: "handbag", 46: "wine glass",
        67: "dining table", 72: "tv", 84: "book", 90: "toothbrush", 92: "banner", 133: "mirror-stuff", 182: "wood",
    }  # fmt: skip
    assert {number: source.class_names[source.labels[number - 1]] for number in by_id} == by_id
    used = [raw for raw in range(182) if raw not in COCO_UNUSED]
    assert source.labels[used].tolist() == list(range(171))
    assert source.labels[255] == 255


def test_a_label_that_coco_has_removed_is_refused(tmp_path: Path) -> None:
    coco_stuff(tmp_path)
    source = CocoStuff(str(tmp_path))
    pair = source.pairs("train")[0]
    Image.fromarray(np.full((36, 48), 11, np.uint8)).save(pair.masks[0])  # street sign
    with pytest.raises(ValueError, match="label 11 has no class"):
        source.read_mask(pair)


def test_images_beside_stuffthingmaps_are_found(tmp_path: Path) -> None:
    coco_stuff(tmp_path)
    (tmp_path / "annotations").rename(tmp_path / "stuffthingmaps")
    for path in (tmp_path / "images").iterdir():
        path.rename(tmp_path / path.name)
    (tmp_path / "images").rmdir()
    (tmp_path / "annotations").mkdir()  # COCO's own boxes
    assert len(CocoStuff(str(tmp_path)).pairs("train")) == 4
