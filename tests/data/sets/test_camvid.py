import numpy as np
import pytest

from litseg.data import CamVid
from tests.conftest import WriteTree


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_reads_the_segnet_layout_with_png_or_jpg_images(write_camvid: WriteTree, suffix: str) -> None:
    source = CamVid(str(write_camvid(suffix=suffix)))
    assert [len(source.pairs(split)) for split in ("train", "val", "test")] == [8, 2, 2]
    pair = source.pairs("train")[0]
    assert source.read_image(pair).shape == (36, 48, 3)
    labels = set(np.unique(np.stack([source.read_mask(pair) for pair in source.pairs("train")])))
    assert labels == {*range(11), 255}


def test_a_wrong_root_says_what_is_expected() -> None:
    with pytest.raises(ValueError, match=r"no folder .*train.*check data\.root"):
        CamVid("nowhere").pairs("train")
