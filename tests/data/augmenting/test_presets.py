"""Every shipped augmentation, sampling, copy-paste and mixing, and that no draw depends on how data are loaded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hydra.utils import instantiate
from torch.utils.data import DataLoader

from litseg.data.augmenting.augmentation import Augmentation
from litseg.data.samples import EpochSampler, Item, Samples
from litseg.data.scan import scan
from litseg.data.sets.shapes import Shapes
from litseg.labels import IGNORE_INDEX

CONF = Path(__file__).parents[3] / "conf"
PRESETS = sorted((CONF / "augmentation").glob("*.yaml"))
IMAGE = np.random.default_rng(0).integers(1, 256, (40, 52, 3), dtype=np.uint8)
MASK = np.kron(np.random.default_rng(1).integers(1, 5, (10, 13)), np.ones((4, 4))).astype(np.uint8)
DEEP = {"uint16": np.uint16, "float32": np.float32}


def _shipped(name: str) -> Any:
    """What a file of conf builds, under its only key or under `train`."""
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    return instantiate(node["train"] if "train" in node else next(iter(node.values())))


def test_the_presets_of_the_readme_are_there() -> None:
    names = {path.stem for path in PRESETS}
    assert {"none", "light", "standard", "heavy", "medical", "aerial", "crop", "flips", "hflip"} <= names


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
@pytest.mark.parametrize("classes", [0, 1, 5], ids=["labels", "one class", "multilabel"])
def test_shipped_presets_make_no_new_label_but_void(preset: Path, classes: int) -> None:
    """The mask holds no 0: a geometric transform that fills with background is seen, in every channel."""
    augmentation = Augmentation(list(_shipped(f"augmentation/{preset.stem}")), seed=0)
    mask = np.repeat(MASK[..., None], classes, axis=-1) if classes else MASK
    for index in range(60):
        image, augmented = augmentation(IMAGE, mask, 0, index)
        assert image.shape[:2] == augmented.shape[:2]
        assert augmented.shape[2:] == mask.shape[2:]
        assert set(np.unique(augmented)) <= {*np.unique(MASK), IGNORE_INDEX}
        if classes:
            assert (augmented == augmented[..., :1]).all()  # all channels of the mask move together


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_image_and_mask_move_together(preset: Path) -> None:
    """Objects of four brightnesses, each of one label, in blocks: inside of them both must still agree."""
    transforms = [each for each in _shipped(f"augmentation/{preset.stem}") if hasattr(each, "apply_to_mask")]
    if preset.stem == "medical":
        transforms += _shipped("augmentation/medical")[3:4]  # its OneOf is of geometric transforms
    labels = np.kron(np.arange(1, 5).reshape(2, 2), np.ones((32, 32))).astype(np.uint8)
    image = np.repeat((labels * 50)[..., None], 3, axis=-1)
    augmentation = Augmentation(transforms, seed=0)
    for index in range(30):
        moved, mask = augmentation(image, labels, 0, index)
        away = moved[..., 0].astype(int)[(mask != IGNORE_INDEX)] - 50 * mask[mask != IGNORE_INDEX].astype(int)
        # between the blocks the image is interpolated, and holes of `heavy` keep their labels
        assert (np.abs(away) < 3).mean() > (0.7 if preset.stem == "heavy" else 0.85)


@pytest.mark.parametrize("dtype", DEEP)
@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_take_deep_images_of_many_channels(preset: Path, dtype: str) -> None:
    image = (np.random.default_rng(0).uniform(0, 6000, (40, 52, 6))).astype(DEEP[dtype])
    augmentation = Augmentation(list(_shipped(f"augmentation/{preset.stem}")), 0, photometric_channels=[0, 1, 2])
    for index in range(15):
        augmented, mask = augmentation(image, MASK, 0, index)
        assert (augmented.dtype, augmented.shape) == (image.dtype, (*mask.shape, 6))


def _loader(workers: int, copy_paste: str = "rare_classes", mixing: str = "none", rank: int = 0, world: int = 1) -> Any:
    """The embedded data as training loads them, with everything that is random."""
    source = Shapes(size=32, train=12, val=1, test=1)
    found = scan(source, "train")
    assert found is not None
    paste = _shipped(f"copy_paste/{copy_paste}")
    transforms = [*_shipped("augmentation/standard"), _crop()]
    samples = Samples(
        source,
        source.pairs("train"),
        Augmentation(transforms, seed=3),
        paste and paste(found.pixels, p=0.7, min_pixels=2),
        _shipped(f"mixing/{mixing}"),
        seed=3,
    )
    sampler = EpochSampler(12, 3, rank, world, draw=_shipped("sampling/rare_classes")(found.pixels))
    return DataLoader(samples, 3, sampler=sampler, drop_last=True, num_workers=workers, persistent_workers=workers > 0)


def _crop() -> Any:
    from litseg.data.augmenting.crops import ClassCrop

    return ClassCrop(24, 24, cat_max_ratio=0.9)


def _batches(loader: Any, epoch: int, skip: int = 0) -> list[dict[str, Any]]:
    loader.sampler.set_epoch(epoch)  # as Lightning does
    loader.sampler.skip(3 * skip)
    return [{name: _copied(value) for name, value in batch.items()} for batch in loader]


def _copied(value: Any) -> Any:
    return value.numpy().tobytes() if isinstance(value, torch.Tensor) else value


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker")  # more than a small machine has CPUs: meant
@pytest.mark.parametrize("mixing", ["none", "mixup"])
def test_draws_are_equal_for_0_1_and_3_workers_differ_between_epochs_and_go_on_after_a_resume(mixing: str) -> None:
    """Standard preset, rare-class sampling and crops, copy-paste, with and without mixing; byte for byte."""
    epochs = []
    for workers in (0, 1, 3):
        loader = _loader(workers, mixing=mixing)
        epochs.append([_batches(loader, epoch) for epoch in (0, 1)])
        assert _batches(loader, 1, skip=2) == epochs[0][1][2:]  # resumed in the middle of epoch 1
        assert _batches(_loader(0, mixing=mixing), 1, skip=1) == epochs[0][1][1:]  # and in another process
    assert epochs[0] == epochs[1] == epochs[2]
    assert [len(epoch) for epoch in epochs[0]] == [4, 4]
    first, second = ({batch["image"] for batch in epoch} for epoch in epochs[0])
    assert not first & second


def test_ranks_share_one_order() -> None:
    whole = list(_loader(0).sampler)
    shares = [list(_loader(0, rank=rank, world=2).sampler) for rank in (0, 1)]
    assert [key for pair in zip(*shares, strict=True) for key in pair] == whole


def test_each_of_them_is_at_work() -> None:
    """Or the comparison above would compare too little."""
    plain, pasted = (_batches(_loader(0, copy_paste=name), 0) for name in ("none", "rare_classes"))
    assert plain != pasted
    assert _batches(_loader(0, mixing="cutmix"), 0) != pasted
    keys = list(_loader(0).sampler)
    assert {held >= 0 for *_, held in keys} == {True, False}


def test_the_same_image_twice_in_an_epoch_is_augmented_twice() -> None:
    samples: Samples = _loader(0).dataset
    items: list[Item] = [samples[0, 5, repeat, -1] for repeat in (0, 1, 1)]
    assert not torch.equal(items[0]["image"], items[1]["image"])
    assert torch.equal(items[1]["image"], items[2]["image"])
    assert torch.equal(samples[0, 5]["image"], items[0]["image"])
