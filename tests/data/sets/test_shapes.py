import numpy as np

from litseg.data.machine import cache_folder
from litseg.data.sets.shapes import Shapes


def test_is_written_once_and_then_read_from_the_cache() -> None:
    source = Shapes(size=32, train=3, val=2, test=1, drawing_seed=9)
    trees = list((cache_folder() / "shapes").glob("*seed9"))
    assert len(trees) == 1
    written = {path: path.stat().st_mtime_ns for path in trees[0].rglob("*.png")}
    assert len(written) == 12
    again = Shapes(size=32, train=3, val=2, test=1, drawing_seed=9)
    assert {path: path.stat().st_mtime_ns for path in trees[0].rglob("*.png")} == written
    assert again.pairs("train") == source.pairs("train")
    assert not list((cache_folder() / "shapes").glob(".writing-*"))


def test_binary_is_any_object_against_the_background() -> None:
    options = {"size": 32, "train": 2, "val": 1, "test": 1}
    binary, multiclass = Shapes(task="binary", **options), Shapes(**options)  # type: ignore[arg-type]
    for first, second in zip(binary.pairs("train"), multiclass.pairs("train"), strict=True):
        labels = multiclass.read_mask(second)
        assert np.array_equal(binary.read_mask(first), np.where(labels == 255, 255, labels > 0))


def test_multilabel_shows_objects_in_full_where_others_hide_them() -> None:
    source = Shapes(task="multilabel", size=64, train=4, val=1, test=1)
    masks = [source.read_mask(pair) for pair in source.pairs("train")]
    assert source.class_names == ("blob", "disc", "box", "wire", "dot")
    assert any(((mask == 1).sum(axis=-1) > 1).any() for mask in masks)
