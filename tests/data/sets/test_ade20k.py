from pathlib import Path

import numpy as np

from litseg.data import ADE20K
from tests.data.sets.trees import ade20k, labels_of


def test_0_is_void_and_the_others_move_down_by_one(tmp_path: Path) -> None:
    ade20k(tmp_path)
    source = ADE20K(str(tmp_path))
    raw = labels_of(range(151), 1)
    np.testing.assert_array_equal(source.read_mask(source.pairs("train")[0]), np.where(raw == 0, 255, raw - 1))


def test_names_and_colours_stand_in_the_owners_order(tmp_path: Path) -> None:
    source = ADE20K(str(tmp_path))
    by_id = {1: "wall", 13: "person", 21: "car", 57: "pool table", 76: "swivel chair", 90: "television", 150: "flag"}
    assert {number: source.class_names[number - 1] for number in by_id} == by_id
    colours = {0: [120, 120, 120], 12: [150, 5, 61], 20: [0, 102, 200], 149: [92, 0, 255]}
    assert {label: source.palette[label].tolist() for label in colours} == colours


def test_root_may_be_the_inner_folder(tmp_path: Path) -> None:
    ade20k(tmp_path)
    assert len(ADE20K(str(tmp_path / "ADEChallengeData2016")).pairs("val")) == 2
