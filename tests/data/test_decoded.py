import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch.utils.data import DataLoader

from litseg.data import DataModule, Folder
from litseg.data.decoded import Decoded
from litseg.data.machine import cache_folder
from litseg.data.scan import scan
from litseg.data.source import Cache
from tests.conftest import WriteTree

NAMES = ["background", "object"]


def build(source: Folder, cache: Cache) -> Decoded:
    found = scan(source, "train")
    assert found is not None
    return Decoded(source, source.pairs("train"), found, cache)


def files() -> set[Path]:
    return set((cache_folder() / "decoded").glob("*"))


@pytest.mark.parametrize("cache", ["ram", "disk"])
def test_the_same_arrays_of_any_size(write_folder: WriteTree, cache: Cache) -> None:
    root = write_folder(count=8)
    Image.new("RGB", (33, 17), "red").save(root / "images" / "003.png")
    Image.fromarray(np.ones((17, 33), dtype=np.uint8)).save(root / "masks" / "003.png")
    source = Folder(str(root), class_names=NAMES)
    kept = build(source, cache)
    for index, pair in enumerate(source.pairs("train")):
        image, mask = kept[index]
        assert np.array_equal(image, source.read_image(pair))
        assert np.array_equal(mask, source.read_mask(pair))
        image[:] = 0  # a copy: the next epoch reads what was there
        assert kept[index][0].any()


def test_six_bands_and_multilabel_masks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(4):
        for folder in ("images", "masks/cell", "masks/nucleus"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        bands = rng.integers(0, 65535, (9, 7, 6)).astype(np.uint16)
        tifffile.imwrite(tmp_path / "images" / f"{index}.tif", bands, photometric="minisblack", planarconfig="contig")
        for name in ("cell", "nucleus"):
            mask = rng.integers(0, 2, (9, 7), dtype=np.uint8)
            Image.fromarray(mask).save(tmp_path / "masks" / name / f"{index}.png")
    source = Folder(
        str(tmp_path),
        class_names=["cell", "nucleus"],
        task="multilabel",
        test_share=0,
        channels=[6],
        mean=[0.0] * 6,
        std=[1.0] * 6,
    )
    kept = build(source, "disk")
    for index, pair in enumerate(source.pairs("train")):
        image, mask = kept[index]
        assert image.dtype == np.uint16
        assert np.array_equal(image, source.read_image(pair))
        assert np.array_equal(mask, source.read_mask(pair))


def test_the_file_is_made_once_and_again_when_a_sample_changes(write_folder: WriteTree) -> None:
    root, before = write_folder(count=8), files()
    source = Folder(str(root), class_names=NAMES)
    build(source, "disk")
    (made,) = files() - before
    modified = made.stat().st_mtime_ns
    build(source, "disk")
    assert files() - before == {made}
    assert made.stat().st_mtime_ns == modified
    path = source.pairs("train")[0].images[0]
    Image.new("RGB", (40, 32), "blue").save(path)
    assert (build(source, "disk")[0][0] == [0, 0, 255]).all()
    assert len(files() - before) == 2


def test_a_write_that_fails_leaves_nothing(write_folder: WriteTree, monkeypatch: pytest.MonkeyPatch) -> None:
    source, before = Folder(str(write_folder(count=9)), class_names=NAMES), files()  # no other test has these
    found, pairs = scan(source, "train"), source.pairs("train")
    assert found is not None
    pairs[-1].masks[0].unlink()
    with pytest.raises(ValueError, match="no such file"):
        Decoded(source, pairs, found, "disk")
    assert files() == before
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(ValueError, match=r"0\.0 GB free; set LITSEG_CACHE"):
        Decoded(source, pairs, found, "disk")


def test_a_process_that_gets_it_maps_the_file_itself(write_folder: WriteTree) -> None:
    kept = build(Folder(str(write_folder(count=8)), class_names=NAMES), "disk")
    first = kept[0][0]
    sent = pickle.dumps(kept)
    assert len(sent) < 4000
    assert np.array_equal(pickle.loads(sent)[0][0], first)


@pytest.mark.parametrize("cache", ["ram", "disk"])
def test_training_batches_do_not_depend_on_it(write_folder: WriteTree, cache: Cache) -> None:
    root = str(write_folder(count=12))

    def batches(cache: Cache, workers: int) -> list[torch.Tensor]:
        data = DataModule(Folder(root, class_names=NAMES, cache=cache), [], batch_size=2, workers=workers)
        data.check()
        loader = data.train_dataloader()
        assert isinstance(loader, DataLoader)
        return [tensor for batch in loader for tensor in (batch["image"], batch["mask"])]

    for without, cached in zip(batches("none", 0), batches(cache, 2), strict=True):
        assert torch.equal(without, cached)
