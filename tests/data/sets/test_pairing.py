from pathlib import Path

import pytest
from PIL import Image

from litseg.data.sets.pairing import files_by_stem, pair_files


def _write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        Image.new("L", (2, 2)).save(folder / name)
    return folder


def test_files_pair_by_stem_sorted_whatever_their_suffix(tmp_path: Path) -> None:
    images = _write(tmp_path / "i", "b.jpg", "a.png")
    masks = _write(tmp_path / "m", "a.png", "b.png")
    assert [(pair.id, pair.images[0].name, pair.masks[0].name) for pair in pair_files(images, [masks])] == [
        ("a", "a.png", "a.png"),
        ("b", "b.jpg", "b.png"),
    ]


def test_other_files_and_hidden_ones_do_not_count(tmp_path: Path) -> None:
    folder = _write(tmp_path / "i", "a.png", ".b.png")
    (folder / "Thumbs.db").write_text("x")
    assert list(files_by_stem(folder)) == ["a"]


def test_many_missing_masks_are_counted_and_three_are_named(tmp_path: Path) -> None:
    images = _write(tmp_path / "i", *(f"{index}.png" for index in range(6)))
    with pytest.raises(ValueError, match=r"5 images .*: 1, 2, 3, \.\.\.$"):
        pair_files(images, [_write(tmp_path / "m", "0.png")])
