import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litseg.data import ChaseDB1, Drive
from tests.data.sets.trees import SIZE, chase_db1, drive, labels_of, real_set


def test_chase_takes_the_first_annotation_and_the_first_20_images(tmp_path: Path) -> None:
    chase_db1(tmp_path)
    source = ChaseDB1(str(tmp_path))
    train = source.pairs("train")
    assert (train[0].id, train[-1].id, source.pairs("test")[0].id) == ("Image_01L", "Image_10R", "Image_11L")
    np.testing.assert_array_equal(source.read_mask(train[0]), labels_of((0, 1), 0))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_chase_reads_masks_of_bytes_like_masks_of_bits(tmp_path: Path, task: str) -> None:
    chase_db1(tmp_path)
    source = ChaseDB1(str(tmp_path), task=task)  # type: ignore[arg-type]
    pair = source.pairs("train")[0]
    bits = source.read_mask(pair)
    with Image.open(pair.masks[0]) as file:
        grey = file.convert("L")
    grey.save(pair.masks[0])
    np.testing.assert_array_equal(source.read_mask(pair), bits)
    assert source.output_channels == (1 if task == "binary" else 2)


def test_the_two_eyes_of_a_child_stay_together(tmp_path: Path) -> None:
    chase_db1(tmp_path)
    source = ChaseDB1(str(tmp_path), val_share=0.2)
    children = [{pair.id[:-1] for pair in source.pairs(split)} for split in ("train", "val", "test")]
    assert [len(child) for child in children] == [8, 2, 4]
    assert len(set.union(*children)) == 14


def test_chase_without_test_images_is_refused(tmp_path: Path) -> None:
    chase_db1(tmp_path)
    for path in tmp_path.glob("Image_1[1-4]*"):
        path.unlink()
    with pytest.raises(ValueError, match="expected the 28 images of CHASE_DB1, got 20"):
        ChaseDB1(str(tmp_path)).pairs("train")


@pytest.mark.parametrize(("field_of_view", "outside"), [(True, 255), (False, 0)])
def test_outside_the_field_of_view_is_void_or_background(tmp_path: Path, field_of_view: bool, outside: int) -> None:
    drive(tmp_path)
    source = Drive(str(tmp_path), field_of_view=field_of_view)
    pair = source.pairs("train")[0]
    assert pair.id == "21_training"
    expected = np.full(SIZE, outside)
    expected[6:30, 6:42] = labels_of((0, 1), 21)[6:30, 6:42]
    np.testing.assert_array_equal(source.read_mask(pair), expected)


def test_gifs_are_read_by_their_colours(tmp_path: Path) -> None:
    drive(tmp_path)
    source = Drive(str(tmp_path))
    pair = source.pairs("train")[0]
    expected = source.read_mask(pair)
    swapped = Image.fromarray((labels_of((0, 1), 21) == 0).astype(np.uint8))
    swapped.putpalette([255, 255, 255, 0, 0, 0])  # index 0 is white here
    swapped.save(pair.masks[0])
    with Image.open(pair.masks[0]) as file:
        assert file.mode == "P"
    np.testing.assert_array_equal(source.read_mask(pair), expected)


def test_drive_without_the_annotations_of_the_test_images_has_no_test_split(tmp_path: Path) -> None:
    drive(tmp_path)
    shutil.rmtree(tmp_path / "test" / "1st_manual")
    source = Drive(str(tmp_path), val_share=0.2)
    assert [len(source.pairs(split)) for split in ("train", "val", "test")] == [4, 1, 0]


def test_the_real_chase() -> None:
    source = ChaseDB1(str(real_set("chasedb1")))
    assert [len(source.pairs(split)) for split in ("train", "val", "test")] == [20, 0, 8]
    masks = [source.read_mask(pair) for pair in source.pairs("test")]
    assert {mask.shape for mask in masks} == {(960, 999)}
    assert np.mean(masks) == pytest.approx(0.0630, abs=1e-4)
