from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from litseg.data.reader import read_labels
from litseg.data.source import Pair, Source


class _OnePair(Source):
    """A source of a single pair."""

    def __init__(self, pair: Pair, **options: object) -> None:
        super().__init__(options.pop("class_names", ["a", "b", "c"]), **options)  # type: ignore[arg-type]
        self.pair = pair

    def official(self, split: str) -> list[Pair]:
        return [self.pair]


def _pair(folder: Path, mask: np.ndarray, image_mode: str = "RGB") -> Pair:
    Image.fromarray(mask.astype(np.uint8)).save(folder / "mask.png")
    Image.new(image_mode, mask.shape[::-1], color=100).save(folder / "image.png")
    return Pair("one", (folder / "image.png",), (folder / "mask.png",))


def test_labels_are_mapped_and_void_becomes_255(tmp_path: Path) -> None:
    pair = _pair(tmp_path, np.array([[0, 10, 20, 99]]))
    source = _OnePair(pair, void=99, label_map={0: 2, 10: 1, 20: 0})
    assert source.read_mask(pair).tolist() == [[2, 1, 0, 255]]


def test_without_a_map_labels_stay(tmp_path: Path) -> None:
    pair = _pair(tmp_path, np.array([[0, 1, 2]]))
    assert _OnePair(pair).read_mask(pair).tolist() == [[0, 1, 2]]


def test_an_unseen_label_names_itself_and_the_file(tmp_path: Path) -> None:
    pair = _pair(tmp_path, np.array([[0, 7]]))
    with pytest.raises(ValueError, match=r"mask\.png: label 7 has no class: expected one of \[0, 1, 2\]"):
        _OnePair(pair).read_mask(pair)


def test_255_without_void_offers_the_label_map(tmp_path: Path) -> None:
    pair = _pair(tmp_path, np.array([[0, 255]]))
    with pytest.raises(ValueError, match=r"data\.label_map=\{0: 0, 255: 1\}.*data\.void=255"):
        _OnePair(pair, class_names=["background", "vessel"], task="binary").read_mask(pair)


def test_a_palette_png_gives_indices_not_colours(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 1))
    picture.putdata([0, 1, 2, 255])
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [255] * 759)
    picture.save(tmp_path / "palette.png")
    assert read_labels(tmp_path / "palette.png").tolist() == [[0, 1, 2, 255]]


@pytest.mark.parametrize(("mode", "suffix", "message"), [("RGB", ".png", "data.colours"), ("L", ".jpg", "JPEG mask")])
def test_masks_that_hold_no_labels_are_refused(tmp_path: Path, mode: str, suffix: str, message: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / f"mask{suffix}")
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path / f"mask{suffix}")


def test_grey_and_rgba_images_become_rgb_but_16_bit_does_not(tmp_path: Path) -> None:
    for mode in ("L", "RGBA"):
        pair = _pair(tmp_path, np.zeros((3, 5)), image_mode=mode)
        assert _OnePair(pair).read_image(pair).shape == (3, 5, 3)
    pair = _pair(tmp_path, np.zeros((3, 5)), image_mode="I;16")
    with pytest.raises(ValueError, match=r"I;16; set data\.channels"):
        _OnePair(pair).read_image(pair)


def test_resize_scales_masks_by_nearest(tmp_path: Path) -> None:
    mask = np.kron(np.array([[0, 2], [1, 255]]), np.ones((4, 4)))
    pair = _pair(tmp_path, mask)
    source = _OnePair(pair, void=255, resize=[4, 6])
    assert source.read_image(pair).shape == (4, 6, 3)
    assert sorted(np.unique(source.read_mask(pair))) == [0, 1, 2, 255]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "binary"}, r"binary expects \[background, foreground\]"),
        ({"task": "instance"}, "expected multiclass, binary or multilabel"),
        ({"class_names": ["a", "a"]}, "different names"),
        ({"label_map": {0: 0, 1: 9}}, r"label_map.*got 1 -> 9"),
        ({"palette": [[0, 0, 0]]}, "palette"),
        ({"void": -1}, "data.void"),
    ],
)
def test_bad_descriptions_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _OnePair(Pair("x", (Path("x"),), ()), **options)


def test_output_channels_follow_the_task() -> None:
    pair = Pair("x", (Path("x"),), ())
    assert _OnePair(pair).output_channels == 3
    assert _OnePair(pair, class_names=["background", "object"], task="binary").output_channels == 1
    assert _OnePair(pair, task="multilabel").output_channels == 3


def test_official_must_give_pairs() -> None:
    pair: Any = ("x", Path("x"))
    with pytest.raises(
        ValueError, match=r"_OnePair\.official\('train'\): expected a list of litseg\.data\.Pair.*got list of tuple"
    ):
        _OnePair(pair).pairs("train")
