import shutil
from pathlib import Path

import numpy as np
import pytest

from litseg.data import PascalVOC
from litseg.data.sets.pascal_voc import CLASS_NAMES, voc_colours
from tests.data.sets.trees import VOC_LABELS, labels_of, pascal_voc, save_mask, sbd, write_lines

NAMES = [f"2007_{number:06d}" for number in range(11)]


def test_masks_give_the_palettes_indices(tmp_path: Path) -> None:
    pascal_voc(tmp_path)
    source = PascalVOC(str(tmp_path))
    np.testing.assert_array_equal(source.read_mask(source.pairs("train")[0]), labels_of(VOC_LABELS, 0))


def test_colours_are_the_development_kits() -> None:
    colours = dict(zip(CLASS_NAMES, voc_colours(21), strict=True))
    assert colours["aeroplane"] == (128, 0, 0)
    assert colours["cow"] == (64, 128, 0)
    assert colours["person"] == (192, 128, 128)
    assert colours["tvmonitor"] == (0, 64, 128)
    assert len(set(voc_colours(256))) == 256


def test_augmented_reads_sbd_and_keeps_the_validation_images_out(tmp_path: Path) -> None:
    pascal_voc(tmp_path)
    sbd(tmp_path)
    source, plain = PascalVOC(str(tmp_path), augmented=True), PascalVOC(str(tmp_path))
    train = {pair.id: pair for pair in source.pairs("train")}
    assert sorted(train) == [*NAMES[:5], *NAMES[7:10]]  # 5 is in SBD and in VOC's val, 10 in neither
    np.testing.assert_array_equal(source.read_mask(train[NAMES[7]]), labels_of(range(21), 102))
    np.testing.assert_array_equal(source.read_mask(train[NAMES[4]]), labels_of(VOC_LABELS, 4))  # VOC's own comes first
    assert source.pairs("val") == plain.pairs("val")


def test_augmented_reads_converted_masks_by_their_list(tmp_path: Path) -> None:
    pascal_voc(tmp_path)
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    for index, name in enumerate(NAMES):  # copies of this folder hold the validation masks too
        save_mask(folder / "SegmentationClassAug" / f"{name}.png", labels_of(VOC_LABELS, 50 + index))
    write_lines(folder / "ImageSets" / "Segmentation" / "trainaug.txt", NAMES[7:] + NAMES[:5])
    source = PascalVOC(str(tmp_path), augmented=True)
    assert [pair.id for pair in source.pairs("train")] == NAMES[7:] + NAMES[:5]
    assert source.pairs("val")[0].masks[0].parent.name == "SegmentationClass"


def test_augmented_says_what_it_expects(tmp_path: Path) -> None:
    pascal_voc(tmp_path)
    with pytest.raises(ValueError, match=r"data\.augmented: expected .*SegmentationClassAug or SBD in .*found neither"):
        PascalVOC(str(tmp_path), augmented=True).pairs("train")


def test_root_may_be_the_inner_folder(tmp_path: Path) -> None:
    pascal_voc(tmp_path)
    assert len(PascalVOC(str(tmp_path / "VOCdevkit" / "VOC2012")).pairs("val")) == 2


def test_a_mask_of_sbd_that_is_missing_is_named(tmp_path: Path) -> None:
    pascal_voc(tmp_path)
    sbd(tmp_path)
    shutil.rmtree(tmp_path / "benchmark_RELEASE" / "dataset" / "cls")
    with pytest.raises(ValueError, match=r"SBD: 3 annotations missing, such as .*2007_000007\.mat"):
        PascalVOC(str(tmp_path), augmented=True).pairs("train")
