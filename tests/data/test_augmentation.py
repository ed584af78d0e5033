from pathlib import Path

import albumentations
import numpy as np
import pytest
import yaml
from hydra.utils import instantiate

from litseg.data.augmentation import Augmentation
from litseg.labels import IGNORE_INDEX

PRESETS = sorted((Path(__file__).parents[2] / "conf" / "augmentation").glob("*.yaml"))
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)
MASK = np.kron(np.random.default_rng(1).integers(1, 5, (10, 13)), np.ones((4, 4))).astype(np.uint8)


def test_a_sample_is_decided_by_seed_epoch_and_index_alone() -> None:
    augmentation = Augmentation([albumentations.RandomCrop(16, 16), albumentations.HorizontalFlip(p=0.5)], seed=3)
    first = augmentation(IMAGE, MASK, epoch=2, index=5)
    for epoch, index in ((0, 0), (7, 1), (2, 6)):  # whatever was drawn in between
        augmentation(IMAGE, MASK, epoch=epoch, index=index)
    again = augmentation(IMAGE, MASK, epoch=2, index=5)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


def test_epochs_indices_and_seeds_differ() -> None:
    transforms = [albumentations.RandomCrop(16, 16)]
    crops = {
        Augmentation(transforms, seed)(IMAGE, MASK, epoch, index)[0].tobytes()
        for seed in (0, 1)
        for epoch in range(4)
        for index in range(4)
    }
    assert len(crops) >= 28  # of 32; crops of 16 x 16 may coincide


def test_transforms_draw_independently_of_each_other() -> None:
    """`Compose.set_random_seed` gives every transform the same draws: both flips or none."""
    augmentation = Augmentation([albumentations.HorizontalFlip(p=0.5), albumentations.VerticalFlip(p=0.5)], seed=0)
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    mask = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    corners = [int(augmentation(image, mask, 0, index)[1][0, 0]) for index in range(400)]
    assert all(70 < corners.count(corner) < 130 for corner in range(4))


def test_nothing_to_do_changes_nothing() -> None:
    image, mask = Augmentation([], seed=0)(IMAGE, MASK, 0, 0)
    assert image is IMAGE
    assert mask is MASK


@pytest.mark.parametrize("preset", PRESETS, ids=[path.stem for path in PRESETS])
@pytest.mark.parametrize("channels", [0, 3], ids=["labels", "multilabel"])
def test_shipped_presets_make_no_new_label_but_void(preset: Path, channels: int) -> None:
    """The mask holds no 0: a geometric transform that fills with background is seen."""
    transforms = instantiate(yaml.safe_load(preset.read_text())["train"])
    augmentation = Augmentation(transforms, seed=0)
    mask = np.repeat(MASK[..., None], channels, axis=-1) if channels else MASK
    for index in range(60):
        image, augmented = augmentation(IMAGE, mask, 0, index)
        assert image.shape[:2] == augmented.shape[:2]
        assert augmented.ndim == mask.ndim
        assert set(np.unique(augmented)) <= {*np.unique(MASK), IGNORE_INDEX}
