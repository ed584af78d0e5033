from pathlib import Path

import numpy as np

from litseg.data import Cityscapes
from tests.data.sets.trees import cityscapes, labels_of

TRAIN_IDS = [  # of the ids 0 to 33, as cityscapesScripts' helpers/labels.py lists them
    255, 255, 255, 255, 255, 255, 255, 0, 1, 255, 255, 2, 3, 4, 255, 255, 255,
    5, 255, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255, 255, 16, 17, 18,
]  # fmt: skip


def test_34_ids_become_19_classes(tmp_path: Path) -> None:
    cityscapes(tmp_path)
    source = Cityscapes(str(tmp_path))
    np.testing.assert_array_equal(
        source.read_mask(source.pairs("train")[0]), np.array(TRAIN_IDS)[labels_of(range(34), 0)]
    )
    palette = dict(zip(source.class_names, source.palette.tolist(), strict=True))
    assert palette["sidewalk"] == [244, 35, 232]
    assert palette["bicycle"] == [119, 11, 32]


def test_a_city_is_not_divided_among_folds(tmp_path: Path) -> None:
    cityscapes(tmp_path)
    sources = [Cityscapes(str(tmp_path), fold=fold, folds=3) for fold in range(3)]
    held = [{pair.id.split("_")[0] for pair in source.pairs("val")} for source in sources]
    assert sum(map(len, held)) == 4  # each of the four cities in one fold


def test_the_unlabelled_test_images_are_not_read(tmp_path: Path) -> None:
    cityscapes(tmp_path)
    assert (tmp_path / "gtFine" / "test" / "berlin").is_dir()
    assert Cityscapes(str(tmp_path)).pairs("test") == []
