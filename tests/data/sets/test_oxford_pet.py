from pathlib import Path

import numpy as np
import pytest

from litseg.data import OxfordPet
from tests.data.sets.trees import labels_of, oxford_pet


@pytest.mark.parametrize(("border", "means"), [("void", 255), ("pet", 1), ("background", 0)])
def test_the_border_is_what_the_user_says(tmp_path: Path, border: str, means: int) -> None:
    oxford_pet(tmp_path)
    source = OxfordPet(str(tmp_path), border=border)  # type: ignore[arg-type]
    raw = labels_of((1, 2, 3), 0)
    pair = source.official("test")[0]
    assert (pair.id, source.class_names) == ("Abyssinian_0", ("background", "pet"))
    np.testing.assert_array_equal(source.read_mask(pair), np.array([99, 1, 0, means])[raw])


def test_multiclass_is_the_trimap(tmp_path: Path) -> None:
    oxford_pet(tmp_path)
    source = OxfordPet(str(tmp_path), task="multiclass")
    assert source.class_names == ("pet", "background", "border")
    np.testing.assert_array_equal(source.read_mask(source.official("test")[0]), labels_of((1, 2, 3), 0) - 1)


def test_an_unknown_border_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.border: expected one of .*'void', 'pet'.*got 'rim'"):
        OxfordPet(str(tmp_path), border="rim")  # type: ignore[arg-type]


def test_without_a_share_there_is_no_validation_split(tmp_path: Path) -> None:
    oxford_pet(tmp_path)
    source = OxfordPet(str(tmp_path), val_share=0)
    assert [len(source.pairs(split)) for split in ("train", "val", "test")] == [7, 0, 3]


def test_torchvisions_folder_is_found(tmp_path: Path) -> None:
    oxford_pet(tmp_path / "oxford-iiit-pet")
    assert len(OxfordPet(str(tmp_path)).pairs("test")) == 3
