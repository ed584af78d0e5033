from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from litseg.data.machine import cache_folder
from litseg.data.reader import read_labels
from litseg.data.sets.sbd import masks_as_png


def _write(path: Path, labels: np.ndarray, name: str = "Segmentation") -> Path:
    savemat(path, {"GTcls": {name: labels, "CategoriesPresent": np.arange(3)}})
    return path


def test_masks_are_converted_once(tmp_path: Path) -> None:
    labels = np.arange(20, dtype=np.uint8).reshape(4, 5)
    files = {"a": _write(tmp_path / "a.mat", labels)}
    first = masks_as_png(files)
    np.testing.assert_array_equal(read_labels(first["a"]), labels)
    written = first["a"].stat().st_mtime_ns
    assert masks_as_png(files)["a"].stat().st_mtime_ns == written
    _write(tmp_path / "a.mat", labels[:3])  # another file, another folder
    assert read_labels(masks_as_png(files)["a"]).shape == (3, 5)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (np.full((4, 5), 21, np.uint8), "Segmentation"),
        (np.zeros((4, 5)), "Segmentation"),
        (np.zeros((2, 4, 5), np.uint8), "Segmentation"),
        (np.zeros((4, 5), np.uint8), "Boundaries"),
    ],
    ids=["label 21", "float", "three axes", "no segmentation"],
)
def test_what_is_not_a_segmentation_is_refused_and_leaves_nothing(
    tmp_path: Path, labels: np.ndarray, name: str
) -> None:
    before = sorted((cache_folder() / "sbd").glob("*"))
    with pytest.raises(ValueError, match=r"b\.mat: expected .*restore the file"):
        masks_as_png({"b": _write(tmp_path / "b.mat", labels, name)})
    assert sorted((cache_folder() / "sbd").glob("*")) == before


@pytest.mark.parametrize("content", [b"", b"no matrix", b"MATLAB 5.0 MAT-file" + bytes(200)], ids=["0", "text", "cut"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"c\.mat: expected GTcls\.Segmentation"):
        masks_as_png({"c": tmp_path / "c.mat"})
