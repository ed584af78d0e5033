from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from litseg.data import CamVid, Folder
from litseg.data.machine import cache_folder
from litseg.data.scan import scan
from tests.conftest import WriteTree

NAMES = ["background", "object"]


def _source(root: Path, **options: object) -> Folder:
    return Folder(str(root), class_names=NAMES, **options)  # type: ignore[arg-type]


def test_counts_pixels_by_class_with_void_last(write_camvid: WriteTree) -> None:
    source = CamVid(str(write_camvid()))
    found = scan(source, "train")
    assert found is not None
    assert found.one_size
    for row, pair in zip(found.pixels, source.pairs("train"), strict=True):
        mask = source.read_mask(pair)
        assert row.tolist() == [int((mask == label).sum()) for label in (*range(11), 255)]


def test_the_fingerprint_follows_the_contents(write_folder: WriteTree) -> None:
    root = write_folder()
    before = scan(_source(root), "train")
    assert before is not None
    again = scan(_source(root), "train")
    assert again is not None
    assert again.fingerprint == before.fingerprint
    path = _source(root).pairs("train")[0].images[0]
    Image.new("RGB", (40, 32), "red").save(path)
    changed = scan(_source(root), "train")
    assert changed is not None
    assert changed.fingerprint != before.fingerprint


def test_a_second_scan_comes_from_the_cache(write_folder: WriteTree) -> None:
    source = _source(write_folder())
    before = set((cache_folder() / "scans").glob("*.npz"))
    first = scan(source, "train")
    (entry,) = set((cache_folder() / "scans").glob("*.npz")) - before
    with np.load(entry) as arrays:
        changed = dict(arrays) | {"fingerprint": np.array("from the cache")}
    np.savez(entry, **changed)
    second = scan(source, "train")
    assert first is not None
    assert second is not None
    assert second.fingerprint == "from the cache"
    assert np.array_equal(first.pixels, second.pixels)


def test_sizes_that_differ_name_both_files(write_folder: WriteTree) -> None:
    root = write_folder()
    Image.new("L", (41, 32)).save(root / "masks" / "004.png")
    with pytest.raises(ValueError, match=r"sizes differ: .*004\.png is \(32, 40\).* mask .*004\.png is \(32, 41\)"):
        [scan(_source(root), split) for split in ("train", "val", "test")]


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_broken_file_is_named(write_folder: WriteTree, kind: str) -> None:
    root = write_folder()
    (root / kind / "004.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"cannot read .*004\.png"):
        [scan(_source(root), split) for split in ("train", "val", "test")]


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_truncated_file_is_named(write_folder: WriteTree, kind: str) -> None:
    root = write_folder()
    path = root / kind / "004.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"cannot read .*004\.png"):
        [scan(_source(root), split) for split in ("train", "val", "test")]


def test_a_split_without_a_valid_pixel_is_refused(write_folder: WriteTree) -> None:
    with pytest.raises(ValueError, match="no valid pixel"):
        scan(_source(write_folder(values=(255,)), void=255), "train")


def test_a_binary_split_without_foreground_is_refused(write_folder: WriteTree) -> None:
    with pytest.raises(ValueError, match="no object pixel"):
        scan(_source(write_folder(values=(0,)), task="binary"), "train")


def test_multilabel_counts_each_class_on_its_own(write_folder: WriteTree) -> None:
    root = write_folder(count=8, values=(0, 1, 255))
    for name in ("cat", "dog"):
        (root / "masks" / name).mkdir()
        for path in (root / "masks").glob("*.png"):
            (root / "masks" / name / path.name).write_bytes(path.read_bytes())
    source = Folder(str(root), class_names=["cat", "dog"], task="multilabel", void=255)
    found = scan(source, "train")
    assert found is not None
    mask = source.read_mask(source.pairs("train")[0])
    assert found.pixels[0].tolist() == [(mask[..., 0] == 1).sum(), (mask[..., 1] == 1).sum(), (mask == 255).sum()]


def test_images_of_several_types_are_refused(write_folder: WriteTree) -> None:
    root = write_folder()
    (root / "images" / "004.png").unlink()
    tifffile.imwrite(root / "images" / "004.tif", np.ones((32, 40, 3), dtype=np.uint16), photometric="rgb")
    with pytest.raises(ValueError, match="images are of uint16 and uint8; expected one type"):
        [scan(_source(root), split) for split in ("train", "val", "test")]


def test_values_that_are_not_finite_are_refused(write_folder: WriteTree) -> None:
    root = write_folder()
    (root / "images" / "004.png").unlink()
    pixels = np.ones((32, 40, 3), dtype=np.float32)
    pixels[3, 4, 0] = np.nan
    tifffile.imwrite(root / "images" / "004.tif", pixels, photometric="rgb")
    with pytest.raises(ValueError, match=r"004\.tif: 1 values are NaN or infinite"):
        [scan(_source(root), split) for split in ("train", "val", "test")]
