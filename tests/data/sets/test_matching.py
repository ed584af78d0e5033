from pathlib import Path

import pytest

from litseg.data.sets.matching import files_by_name, inner, listed_names, matched


def _files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_files_are_named_without_what_follows_the_star_and_sorted(tmp_path: Path) -> None:
    _files(tmp_path, "b/two_x.png", "a/three_x.png", "a/one_y.png", "a/._three_x.png", "four_x.png")
    assert list(files_by_name(tmp_path, "*/*_x.png")) == ["three", "two"]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"1 files .* share a name"):
        files_by_name(_files(tmp_path, "a/one_x.png", "b/one_x.png"), "*/*_x.png")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected files \*\.png, found none; check data\.root"):
        files_by_name(tmp_path, "*.png")


def test_a_list_gives_the_first_words_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# name label\nb 1 2\n\na 3 4\n")
    assert listed_names(tmp_path / "list.txt") == ["b", "a"]
    (tmp_path / "list.txt").write_text("# name label\n")
    with pytest.raises(ValueError, match=r"list\.txt: expected a name on each line"):
        listed_names(tmp_path / "list.txt")
    with pytest.raises(ValueError, match=r"no file .*none\.txt"):
        listed_names(tmp_path / "none.txt")


def test_samples_without_an_image_or_a_mask_are_named() -> None:
    some = {name: Path(name) for name in "abcde"}
    with pytest.raises(ValueError, match=r"here: 4 samples without mask: b, c, d, \.\.\.; restore"):
        matched(some, {"a": Path("a")}, where="here")
    with pytest.raises(ValueError, match="here: 1 sample without image: x"):
        matched(some, some | {"x": Path("x")}, where="here")
    with pytest.raises(ValueError, match="list: 1 sample without image: x"):
        matched(some, some, ["a", "x"], "list")


def test_a_list_decides_which_samples_there_are_and_their_order() -> None:
    some = {name: Path(name) for name in "abc"}
    assert [pair.id for pair in matched(some, some | {"x": Path("x")}, ["c", "a"])] == ["c", "a"]


def test_an_archives_own_folder_may_be_missing(tmp_path: Path) -> None:
    assert inner(tmp_path, "VOCdevkit") == tmp_path
    (tmp_path / "VOCdevkit").mkdir()
    assert inner(tmp_path, "VOCdevkit") == tmp_path / "VOCdevkit"
