from pathlib import Path

import pytest

from litseg.data import Folder
from tests.conftest import WriteTree

NAMES = ["background", "object"]


def test_a_flat_folder_is_split_by_seeded_shares(write_folder: WriteTree) -> None:
    root = str(write_folder(count=20))
    source = Folder(root, class_names=NAMES, val_share=0.2, test_share=0.1)
    ids = {split: [pair.id for pair in source.pairs(split)] for split in ("train", "val", "test")}
    assert [len(ids[split]) for split in ("train", "val", "test")] == [14, 4, 2]
    assert len({name for names in ids.values() for name in names}) == 20
    again = Folder(root, class_names=NAMES, val_share=0.2, test_share=0.1)
    assert [pair.id for pair in again.pairs("val")] == ids["val"]
    other = Folder(root, class_names=NAMES, val_share=0.2, test_share=0.1, split_seed=1)
    assert [pair.id for pair in other.pairs("val")] != ids["val"]


def test_given_splits_are_kept_and_a_missing_val_takes_its_share_of_train(write_folder: WriteTree) -> None:
    root = write_folder(count=10)
    for kind in ("images", "masks"):
        (root / kind / "train").mkdir()
        for path in list((root / kind).glob("*.png")):
            path.rename(root / kind / "train" / path.name)
    source = Folder(str(root), class_names=NAMES, val_share=0.3)
    assert [len(source.pairs(split)) for split in ("train", "val", "test")] == [7, 3, 0]
    for kind in ("images", "masks"):
        (root / kind / "val").mkdir()
        (root / kind / "train" / "003.png").rename(root / kind / "val" / "003.png")
    assert [pair.id for pair in source.pairs("val")] == ["003"]
    assert len(source.pairs("train")) == 9


def test_multilabel_reads_a_folder_of_masks_for_each_class(write_folder: WriteTree) -> None:
    root = write_folder(count=4)
    for name in ("cat", "dog"):
        (root / "masks" / name).mkdir()
    for path in list((root / "masks").glob("*.png")):
        (root / "masks" / "dog" / path.name).write_bytes(path.read_bytes())
        path.rename(root / "masks" / "cat" / path.name)
    source = Folder(str(root), class_names=["cat", "dog"], task="multilabel", val_share=0.25, test_share=0.25)
    assert source.read_mask(source.pairs("train")[0]).shape == (32, 40, 2)


def test_an_image_without_a_mask_is_named(write_folder: WriteTree) -> None:
    root = write_folder()
    (root / "masks" / "004.png").unlink()
    with pytest.raises(ValueError, match=r"1 image of .* without a mask in .*: 004"):
        Folder(str(root), class_names=NAMES).pairs("train")


def test_a_mask_without_an_image_is_named(write_folder: WriteTree) -> None:
    root = write_folder()
    (root / "images" / "004.png").unlink()
    with pytest.raises(ValueError, match=r"1 mask of .* without an image in .*: 004"):
        Folder(str(root), class_names=NAMES).pairs("train")


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected .*images and .*masks; check data\.root"):
        Folder(str(tmp_path / "nowhere"), class_names=NAMES).pairs("train")
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    with pytest.raises(ValueError, match="holds no image"):
        Folder(str(tmp_path), class_names=NAMES).pairs("train")


def test_two_files_of_one_name_are_refused(write_folder: WriteTree) -> None:
    root = write_folder()
    (root / "images" / "004.jpg").write_bytes((root / "images" / "004.png").read_bytes())
    with pytest.raises(ValueError, match="share a name"):
        Folder(str(root), class_names=NAMES).pairs("train")
