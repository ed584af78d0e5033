import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litseg.data.sets.shapes_drawing import CLASS_NAMES, PALETTE, Drawing, draw, write_tree
from litseg.labels import IGNORE_INDEX
from tests.benchmarks.shapes_difficulty import colour_only_ious

COUNT = 100
SHARES = ((0.65, 0.78), (0.10, 0.17), (0.05, 0.085), (0.035, 0.06), (0.014, 0.026), (0.002, 0.005))
"""The bands that the data set promises, per class, of all pixels that have a label."""


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    return [draw(0, "train", index) for index in range(COUNT)]


def checksum(drawing: Drawing) -> int:
    return zlib.crc32(b"".join(part.tobytes() for part in drawing))


def test_the_same_three_numbers_give_the_same_drawing() -> None:
    assert checksum(draw(3, "val", 7, 64)) == checksum(draw(3, "val", 7, 64))


@pytest.mark.parametrize("other", [(4, "val", 7), (3, "test", 7), (3, "val", 8)])
def test_another_seed_split_or_index_gives_another_drawing(other: tuple[int, str, int]) -> None:
    here, there = draw(3, "val", 7, 64), draw(*other, 64)
    assert not np.array_equal(here.image, there.image)
    assert not np.array_equal(here.mask, there.mask)


def test_drawing_is_the_one_it_has_always_been() -> None:
    # whoever changes this number changes the data: raise VERSION in litseg/data/shapes.py with it
    assert checksum(draw(0, "train", 0, 64)) == 2805141192


def test_does_not_depend_on_what_was_drawn_before() -> None:
    first = checksum(draw(0, "test", 5, 48))
    np.random.default_rng().integers(10)
    draw(1, "train", 2, 48)
    assert checksum(draw(0, "test", 5, 48)) == first


@pytest.mark.parametrize("size", [32, 50, 128, 200])
def test_shapes_types_and_values(size: int) -> None:
    drawing = draw(0, "train", 1, size)
    assert drawing.image.shape == (size, size, 3)
    assert drawing.mask.shape == (size, size)
    assert drawing.layers.shape == (len(CLASS_NAMES) - 1, size, size)
    assert {part.dtype for part in drawing} == {np.dtype(np.uint8)}
    assert set(np.unique(drawing.mask)) <= {*range(len(CLASS_NAMES)), IGNORE_INDEX}
    assert set(np.unique(drawing.layers)) <= {0, 1, IGNORE_INDEX}


def test_class_shares_fall_from_seventy_percent_to_a_third_of_one(drawings: list[Drawing]) -> None:
    counts = np.bincount(np.stack([drawing.mask for drawing in drawings]).ravel(), minlength=256)
    shares = counts[: len(CLASS_NAMES)] / counts[: len(CLASS_NAMES)].sum()
    for name, share, (low, high) in zip(CLASS_NAMES, shares, SHARES, strict=True):
        assert low <= share <= high, f"{name}: {share:.4f}"
    assert list(shares) == sorted(shares, reverse=True)
    assert 0.03 <= counts[IGNORE_INDEX] / counts.sum() <= 0.09


def test_every_object_class_is_in_nearly_every_image(drawings: list[Drawing]) -> None:
    for label, name in enumerate(CLASS_NAMES):
        assert sum((drawing.mask == label).any() for drawing in drawings) >= 0.9 * COUNT, name


def test_layers_hold_what_the_mask_shows(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        assert not drawing.layers[:, drawing.mask == 0].any()
        for layer, label in zip(drawing.layers, range(1, len(CLASS_NAMES)), strict=True):
            assert (layer[drawing.mask == label] == 1).all()


def test_layers_keep_what_is_hidden(drawings: list[Drawing]) -> None:
    shared = np.mean([((drawing.layers == 1).sum(axis=0) > 1).mean() for drawing in drawings])
    assert shared > 0.01


def test_void_is_an_outline_one_pixel_wide(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        solid = drawing.layers.max(axis=0, where=drawing.layers == 1, initial=0) == 1
        beside = np.lib.stride_tricks.sliding_window_view(np.pad(solid, 1), (3, 3)).max(axis=(-1, -2))
        assert beside[drawing.mask == IGNORE_INDEX].all()
        assert (drawing.mask[beside & ~solid] == IGNORE_INDEX).all()


def test_a_pixel_s_colour_does_not_tell_its_class() -> None:
    ious = colour_only_ious(train=100, test=30)
    assert ious.mean() < 0.45


@pytest.mark.parametrize(("split", "size", "message"), [("dev", 64, "unknown split 'dev'"), ("val", 31, "too small")])
def test_refuses_what_it_cannot_draw(split: str, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(0, split, 0, size)


def test_tree_of_labels(tmp_path: Path) -> None:
    write_tree(tmp_path, {"train": 2, "test": 1}, seed=5, size=32)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    names = ("test/00000", "train/00000", "train/00001")
    assert files == [f"{kind}/{name}.png" for kind in ("images", "masks") for name in names]
    drawing = draw(5, "train", 1, 32)
    with (
        Image.open(tmp_path / "images/train/00001.png") as image,
        Image.open(tmp_path / "masks/train/00001.png") as mask,
    ):
        assert (image.mode, mask.mode) == ("RGB", "P")
        assert np.array_equal(np.asarray(image), drawing.image)
        assert np.array_equal(np.asarray(mask), drawing.mask)
        colours = np.asarray(mask.convert("RGB"))
    assert (colours[drawing.mask == IGNORE_INDEX] == 255).all()
    assert (colours[drawing.mask == 1] == PALETTE[1]).all()


def test_tree_of_layers(tmp_path: Path) -> None:
    write_tree(tmp_path, {"val": 1}, seed=5, size=32, layers=True)
    assert sorted(path.name for path in (tmp_path / "masks/val").iterdir()) == sorted(CLASS_NAMES[1:])
    layers = draw(5, "val", 0, 32).layers
    for name, layer in zip(CLASS_NAMES[1:], layers, strict=True):
        with Image.open(tmp_path / "masks/val" / name / "00000.png") as picture:
            assert np.array_equal(np.asarray(picture), layer)
