from pathlib import Path

import numpy as np
import pytest

from litseg.data import Csv
from tests.data.sets.trees import NAMES, csv_set, labels_of, save_image, save_mask


def _lines(root: Path, *lines: str) -> str:
    (root / "samples.csv").write_text("".join(f"{line}\n" for line in lines))
    return str(root / "samples.csv")


def test_splits_and_paths_are_the_files(tmp_path: Path) -> None:
    csv_set(tmp_path)
    source = Csv(str(tmp_path / "samples.csv"), class_names=NAMES)
    assert [pair.id for pair in source.pairs("val")] == ["6", "7"]
    pair = source.pairs("test")[0]
    assert pair.images == (tmp_path / "pictures" / "8.jpg",)
    np.testing.assert_array_equal(source.read_mask(pair), labels_of((0, 1), 8))


def test_a_group_is_not_divided_among_folds(tmp_path: Path) -> None:
    csv_set(tmp_path)
    sources = [Csv(str(tmp_path / "samples.csv"), class_names=NAMES, fold=fold, folds=2) for fold in range(2)]
    held = [{source.group_of(pair) for pair in source.pairs("val")} for source in sources]
    assert not held[0] & held[1]
    assert held[0] | held[1] == {"patient0", "patient1", "patient2", "patient3"}


def test_without_splits_the_groups_are_shared_out(tmp_path: Path) -> None:
    csv_set(tmp_path)
    rows = [f"pictures/{index}.jpg,truth/{index}-mask.png,g{index // 2}" for index in range(10)]
    source = Csv(_lines(tmp_path, "image,mask,group", *rows), class_names=NAMES, val_share=0.2, test_share=0.2)
    assert [len(source.pairs(split)) for split in ("train", "val", "test")] == [6, 2, 2]
    groups = [{source.group_of(pair) for pair in source.pairs(split)} for split in ("train", "val", "test")]
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_a_missing_val_takes_its_share_and_a_missing_test_stays_missing(tmp_path: Path) -> None:
    csv_set(tmp_path)
    rows = [f"pictures/{index}.jpg,truth/{index}-mask.png,train" for index in range(10)]
    source = Csv(_lines(tmp_path, "image,mask,split", *rows), class_names=NAMES, val_share=0.3)
    assert [len(source.pairs(split)) for split in ("train", "val", "test")] == [7, 3, 0]


def test_several_inputs_are_stacked_and_multilabel_has_a_mask_for_each_class(tmp_path: Path) -> None:
    for name, channels in (("rgb", 3), ("more", 3)):
        save_image(tmp_path / f"{name}.png", 0, channels=channels)
    for name in ("cat", "dog"):
        save_mask(tmp_path / f"{name}.png", labels_of((0, 1), len(name)))
    path = _lines(tmp_path, "rgb,more,mask/dog,mask/cat,split", "rgb.png,more.png,dog.png,cat.png,train")
    source = Csv(
        path,
        class_names=["cat", "dog"],
        task="multilabel",
        inputs=["rgb", "more"],
        channels=[3, 3],
        mean=[0.0] * 6,
        std=[1.0] * 6,
        val_share=0.0,
    )
    pair = source.pairs("train")[0]
    assert [path.stem for path in pair.masks] == ["cat", "dog"]
    assert source.read_image(pair).shape[2] == 6
    assert source.read_mask(pair).shape[2] == 2
    with pytest.raises(ValueError, match=r"data\.channels: expected one number for each of data\.inputs"):
        Csv(path, class_names=["cat", "dog"], task="multilabel", inputs=["rgb", "more"])


def test_samples_are_named_by_folder_where_names_repeat(tmp_path: Path) -> None:
    for folder in "ab":
        save_image(tmp_path / folder / "image.png", 0)
        save_mask(tmp_path / folder / "mask.png", labels_of((0, 1), 0))
    rows = ["a/image.png,a/mask.png,train", f"{tmp_path}/b/image.png,b/mask.png,test"]
    source = Csv(_lines(tmp_path, "image,mask,split", *rows), class_names=NAMES, val_share=0.0)
    assert source.pairs("train")[0].id == "a_image"
    assert source.pairs("test")[0].id.endswith("_b_image")
    assert "/" not in source.pairs("test")[0].id


def test_a_spreadsheets_byte_order_mark_and_commas_in_quotes_are_read(tmp_path: Path) -> None:
    save_image(tmp_path / "a, b.png", 0)
    save_mask(tmp_path / "mask.png", labels_of((0, 1), 0))
    (tmp_path / "samples.csv").write_text('﻿image,mask,split\r\n"a, b.png",mask.png,test\r\n', encoding="utf-8")
    assert Csv(str(tmp_path / "samples.csv"), class_names=NAMES).pairs("test")[0].id == "a, b"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["image,mask,comment"], r"line 1: expected the columns image, mask and if wanted split, group, got .*comment"),
        (["image,split"], "line 1: expected the columns image, mask .*, got image, split"),
        (["image,mask,mask"], "line 1: expected the columns"),
        ([], "line 1: expected the columns image, mask"),
        (["image,mask"], "expected a row for each sample"),
        (["image,mask", "{image},{mask}", "{image},"], "line 3: expected 2 fields, none of them empty"),
        (["image,mask", "{image},{mask},x"], "line 2: expected 2 fields"),
        (["image,mask", "{image}"], "line 2: expected 2 fields"),
        (["image,mask,split", "{image},{mask},valid"], "line 2: expected split train, val or test, got 'valid'"),
        (["image,mask", "", "{image},{mask}", "{image},no.png"], r"line 4: no file .*no\.png \(mask\)"),
        (["image,mask", "{image},{mask}", "{image},{mask}"], "line 3: the sample pictures_0 is in line 2 too"),
        (["image,mask", '"{image},{mask}'], "line 2: unexpected end of data"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, lines: list[str], message: str) -> None:
    csv_set(tmp_path)
    filled = [line.format(image="pictures/0.jpg", mask="truth/0-mask.png") for line in lines]
    with pytest.raises(ValueError, match=r"samples\.csv: " + message):
        Csv(_lines(tmp_path, *filled), class_names=NAMES)
