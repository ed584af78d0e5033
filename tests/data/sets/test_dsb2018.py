import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litseg.data import DSB2018
from litseg.data.machine import cache_folder
from litseg.data.reader import header_size
from tests.data.sets.trees import dsb2018, real_set


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    dsb2018(tmp_path / "tree")
    return Path(shutil.make_archive(str(tmp_path / "stage1_train"), "zip", tmp_path / "tree"))


def test_nuclei_are_merged_where_they_overlap_too(tmp_path: Path) -> None:
    dsb2018(tmp_path)
    source = DSB2018(str(tmp_path))
    mask = source.read_mask(source.official("train")[1])
    expected = np.zeros((36, 48), np.uint8)
    expected[3:9, 3:9] = expected[20:26, 20:26] = expected[22:28, 22:28] = 1
    np.testing.assert_array_equal(mask, expected)


def test_the_zip_and_its_folder_read_like_the_unpacked_tree(archive: Path, tmp_path: Path) -> None:
    tree = DSB2018(str(tmp_path / "tree"))
    for root in (archive, tmp_path):
        source = DSB2018(str(root))
        for split in ("train", "val", "test"):
            assert [pair.id for pair in source.pairs(split)] == [pair.id for pair in tree.pairs(split)]
        pair = source.pairs("test")[0]
        assert cache_folder() in pair.images[0].parents
        np.testing.assert_array_equal(source.read_image(pair), tree.read_image(tree.pairs("test")[0]))


def test_the_zip_is_unpacked_once_and_again_when_it_changes(archive: Path) -> None:
    first = DSB2018(str(archive)).official("train")[0].images[0]
    written = first.stat().st_mtime_ns
    assert DSB2018(str(archive)).official("train")[0].images[0].stat().st_mtime_ns == written
    os.utime(archive, ns=(1, 1))
    assert DSB2018(str(archive)).official("train")[0].images[0] != first


@pytest.mark.parametrize("name", ["../x/images/x.png", "/x/images/x.png"])
def test_a_zip_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "stage1_train.zip", "w") as file:
        file.writestr(name, b"")
    with pytest.raises(ValueError, match="leads out of its folder"):
        DSB2018(str(tmp_path)).pairs("train")


def test_a_broken_zip_and_a_sample_without_masks_are_named(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"stage1_train\.zip"):
        DSB2018(str(archive)).pairs("train")
    shutil.rmtree(tmp_path / "tree" / "03ab" / "masks")
    with pytest.raises(ValueError, match=r"1 sample without masks.*03ab"):
        DSB2018(str(tmp_path / "tree")).pairs("train")


def test_masks_of_different_sizes_are_named(tmp_path: Path) -> None:
    dsb2018(tmp_path)
    source = DSB2018(str(tmp_path))
    pair = source.official("train")[0]
    Image.new("L", (5, 5)).save(pair.masks[2])
    with pytest.raises(ValueError, match=r"2cd\.png is \(5, 5\).*0cd\.png \(48, 36\)"):
        source.read_mask(pair)


def test_the_real_set() -> None:
    source = DSB2018(str(real_set("dsb2018")))
    pairs = source.official("train")
    assert len(pairs) == 664
    assert sum(len(pair.masks) for pair in pairs) == 28_986
    assert len({header_size(pair.images[0]) for pair in pairs}) == 9
    assert [len(source.pairs(split)) for split in ("train", "val", "test")] == [464, 100, 100]
    largest = max(pairs, key=lambda pair: len(pair.masks))
    mask = source.read_mask(largest)
    assert mask.shape == source.read_image(largest).shape[:2]
    assert 0 < mask.mean() < 1
