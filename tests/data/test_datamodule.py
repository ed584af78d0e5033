from pathlib import Path

import albumentations
import numpy as np
import pytest
import torch
from PIL import Image

from litseg.data import CamVid, CutMix, DataModule, Folder
from litseg.data.datamodule import default_workers
from litseg.data.sets.shapes import Shapes
from tests.conftest import WriteTree

NAMES = ["background", "object"]
TRANSFORMS = [albumentations.RandomCrop(16, 16), albumentations.HorizontalFlip(p=0.5)]


def _images(data: DataModule, epochs: int = 2) -> list[torch.Tensor]:
    loader = data.train_dataloader()
    images = []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]  # as Lightning does
        images += [batch["image"].clone() for batch in loader]
    return images


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker")  # more than a small machine has CPUs: meant
def test_samples_do_not_depend_on_the_number_of_workers() -> None:
    source = Shapes(size=32, train=12, val=1, test=1)
    draws = [_images(DataModule(source, TRANSFORMS, batch_size=4, workers=workers)) for workers in (0, 1, 3)]
    assert len(draws[0]) == 6
    for other in draws[1:]:
        assert all(torch.equal(first, second) for first, second in zip(draws[0], other, strict=True))
    assert not any(torch.equal(first, second) for first, second in zip(draws[0][:3], draws[0][3:], strict=True))


@pytest.mark.parametrize(
    ("cpus", "accelerator", "devices", "workers"),
    [(2, "cpu", 1, 0), (8, "cpu", 1, 2), (8, "cpu", 4, 0), (1, "gpu", 1, 1), (4, "gpu", 1, 3), (64, "gpu", 4, 8)],
)
def test_loader_processes_leave_the_cpu_to_a_training_on_it(
    monkeypatch: pytest.MonkeyPatch, cpus: int, accelerator: str, devices: int, workers: int
) -> None:
    monkeypatch.setattr("litseg.data.datamodule.allowed_cpus", lambda: cpus)
    assert default_workers(accelerator, devices) == workers


def test_training_drops_the_small_last_batch_and_evaluation_keeps_it() -> None:
    data = DataModule(Shapes(size=32, train=7, val=5, test=3), [], batch_size=4, workers=0)
    data.check()
    assert [len(batch["id"]) for batch in data.train_dataloader()] == [4]
    assert [len(batch["id"]) for batch in data.val_dataloader()] == [4, 1]
    assert [len(batch["id"]) for batch in data.test_dataloader()] == [3]


def test_evaluation_images_of_several_sizes_go_one_by_one(write_camvid: WriteTree) -> None:
    root = write_camvid(val=3)
    Image.new("RGB", (60, 48)).save(root / "val" / "val_001.png")
    Image.fromarray(np.zeros((48, 60), dtype=np.uint8)).save(root / "valannot" / "val_001.png")
    data = DataModule(CamVid(str(root)), [], batch_size=4, workers=0)
    data.check()
    assert [tuple(batch["mask"].shape) for batch in data.val_dataloader()] == [(1, 36, 48), (1, 48, 60), (1, 36, 48)]


def test_fewer_samples_than_a_batch_are_refused(write_folder: WriteTree) -> None:
    data = DataModule(Folder(str(write_folder(count=10)), class_names=NAMES), [], batch_size=16)
    with pytest.raises(ValueError, match=r"6 training samples do not fill one batch .*batch_size=16"):
        data.check()
    with pytest.raises(ValueError, match=r"1 val sample\(s\) for 2 devices"):
        DataModule(Shapes(size=32, train=4, val=1, test=2), [], batch_size=2).check(devices=2)
    with pytest.raises(ValueError, match=r"on 4 device"):
        DataModule(data.source, [], batch_size=4).check(devices=4)


def test_a_set_without_a_validation_split_has_no_validation_loader(write_folder: WriteTree) -> None:
    data = DataModule(Folder(str(write_folder(count=6)), class_names=NAMES, val_share=0), [], batch_size=1)
    data.check()
    assert set(data.scans) == {"train", "test"}
    assert data.val_dataloader() == []


def _two_sizes(folder: Path) -> Folder:
    Image.new("RGB", (64, 48)).save(folder / "images" / "001.png")
    Image.fromarray(np.zeros((48, 64), dtype=np.uint8)).save(folder / "masks" / "001.png")
    return Folder(str(folder), class_names=NAMES, split_seed=1)


def test_training_images_of_two_sizes_need_a_crop(write_folder: WriteTree) -> None:
    source = _two_sizes(write_folder(count=10))
    assert "001" in [pair.id for pair in source.pairs("train")]
    with pytest.raises(ValueError, match=r"different sizes.*augmentation=crop"):
        DataModule(source, [], batch_size=2).check()
    DataModule(source, [albumentations.RandomCrop(16, 16)], batch_size=2).check()


def test_an_augmentation_that_makes_several_sizes_is_refused(write_folder: WriteTree) -> None:
    source = Folder(str(write_folder(count=10)), class_names=NAMES)
    with pytest.raises(ValueError, match=r"\(32, 40\), \(40, 32\) after augmentation"):
        DataModule(source, [albumentations.RandomRotate90(p=0.5)], batch_size=2).check()


def test_the_fingerprint_covers_all_splits() -> None:
    data = DataModule(Shapes(size=32, train=4, val=2, test=2), [], batch_size=2)
    data.check()
    other = DataModule(Shapes(size=32, train=4, val=2, test=3), [], batch_size=2)
    other.check()
    assert len(data.fingerprint) == 64
    assert data.fingerprint != other.fingerprint


def test_groups_in_two_splits_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, names in (("train", ("ann-1", "bob-1")), ("val", ("ann-2", "eve-1"))):
        for folder in ("images", "masks"):
            (tmp_path / folder / split).mkdir(parents=True)
        for name in names:
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(
                tmp_path / f"images/{split}/{name}.png"
            )
            Image.fromarray(rng.integers(0, 2, (8, 8), dtype=np.uint8)).save(tmp_path / f"masks/{split}/{name}.png")
    DataModule(Folder(str(tmp_path), class_names=NAMES), [], batch_size=1).check()
    source = Folder(str(tmp_path), class_names=NAMES, group_pattern=r"^(\w+)-")
    with pytest.raises(ValueError, match=r"1 group both in train and in val \(ann\)"):
        DataModule(source, [], batch_size=1).check()


def test_a_batch_of_one_cannot_be_mixed(write_folder: WriteTree) -> None:
    with pytest.raises(ValueError, match=r"loader\.batch_size=2"):
        DataModule(Folder(str(write_folder()), class_names=NAMES), [], batch_size=1, mix=CutMix())
