import json

import numpy as np
import pytest

from litseg.data import Folder
from litseg.data.machine import cache_folder
from tests.conftest import WriteTree

NAMES = ["background", "object"]


def test_every_sample_is_validated_once_and_the_test_split_stays(write_folder: WriteTree) -> None:
    root = str(write_folder(count=20))
    folds = [Folder(root, class_names=NAMES, fold=fold, folds=4) for fold in range(4)]
    validated = [pair.id for source in folds for pair in source.pairs("val")]
    tests = {tuple(pair.id for pair in source.pairs("test")) for source in folds}
    assert len(tests) == 1
    (test,) = tests
    assert sorted([*validated, *test]) == [f"{index:03d}" for index in range(20)]
    for source in folds:
        train, val = ({pair.id for pair in source.pairs(split)} for split in ("train", "val"))
        assert not train & val
        assert len(train) + len(val) + len(test) == 20


def test_folds_are_kept_and_reproducible(write_folder: WriteTree) -> None:
    root = str(write_folder(count=12))
    before = set((cache_folder() / "folds").glob("*.json"))
    first = [pair.id for pair in Folder(root, class_names=NAMES, fold=0, folds=3).pairs("val")]
    (kept,) = set((cache_folder() / "folds").glob("*.json")) - before
    stored = json.loads(kept.read_text())
    assert [name for name in sorted(stored) if stored[name] == 0] == first
    assert np.bincount(list(stored.values())).tolist() in ([4, 3, 3], [3, 4, 3], [3, 3, 4])
    kept.unlink()
    assert [pair.id for pair in Folder(root, class_names=NAMES, fold=0, folds=3).pairs("val")] == first


def test_groups_by_pattern(write_folder: WriteTree) -> None:
    root = str(write_folder(count=20))
    source = Folder(root, class_names=NAMES, group_pattern=r"^0(\d)", test_share=0, fold=0, folds=2)
    groups = {split: {pair.id[1] for pair in source.pairs(split)} for split in ("train", "val")}
    assert len(groups["train"]) == len(groups["val"]) == 1
    with pytest.raises(ValueError, match=r"data\.group_pattern: 'patient' does not match the sample '000'"):
        Folder(root, class_names=NAMES, group_pattern="patient").pairs("train")


def test_a_fold_without_folds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.fold, data\.folds.*got 5 and 5"):
        Folder("x", class_names=NAMES, fold=5, folds=5)
