import pickle
from typing import Any

import albumentations
import cv2
import numpy as np
import pytest

from litseg.data.augmenting.augmentation import Augmentation
from litseg.data.augmenting.crops import ClassCrop

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


def test_the_transforms_given_stay_as_they_are() -> None:
    """They may be given to several augmentations."""
    colour = albumentations.OneOf([albumentations.RandomGamma()], p=1.0)
    first, second = (Augmentation([colour], seed=0)(IMAGE, MASK, 0, 0)[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert type(colour.transforms[0]) is albumentations.RandomGamma


def test_workers_that_are_spawned_augment_alike() -> None:
    augmentation = Augmentation([ClassCrop(16, 16), albumentations.OneOf([albumentations.RandomGamma()], p=1.0)], 0)
    spawned = pickle.loads(pickle.dumps(augmentation))
    for found, expected in zip(spawned(IMAGE, MASK, 1, 2), augmentation(IMAGE, MASK, 1, 2), strict=True):
        assert np.array_equal(found, expected)


# geometric transforms that leave part of the output empty; several fill only the first channel of a (H, W, C) mask
PADDING: dict[str, dict[str, Any]] = {
    "Affine": {"scale": (0.4, 0.5), "rotate": (30, 40)},
    "CropAndPad": {"px": (5, 9)},
    "ElasticTransform": {"alpha": 200, "sigma": 8},
    "GridDistortion": {"distort_limit": (-0.9, -0.8)},
    "PadIfNeeded": {"min_height": 64, "min_width": 64},
    "Perspective": {"scale": (0.1, 0.2), "fit_output": True},
    "RandomCrop": {"height": 64, "width": 64, "pad_if_needed": True},
    "Rotate": {"limit": (30, 40)},
    "SafeRotate": {"limit": (30, 40)},
    "ThinPlateSpline": {"scale_range": (0.3, 0.4)},
}


@pytest.mark.parametrize("name", PADDING)
@pytest.mark.parametrize("classes", [0, 1, 2, 7])
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_padding_is_void_for_any_number_of_channels_and_classes(name: str, classes: int, channels: int) -> None:
    transform = getattr(albumentations, name)(**PADDING[name], fill_mask=255, p=1.0)
    image = np.repeat(IMAGE[..., :1], channels, axis=-1).astype(np.uint16)
    mask = np.repeat(MASK[..., None], classes, axis=-1) if classes else MASK
    augmentation, void = Augmentation([transform], seed=0), 0
    for index in range(4):
        augmented, labels = augmentation(image, mask, 0, index)
        assert augmented.shape == (*labels.shape[:2], channels)
        assert set(np.unique(labels)) <= {1, 2, 3, 4, 255}
        void += int((labels == 255).sum())
    assert void > 0


@pytest.mark.parametrize("name", PADDING)
def test_a_transform_that_fills_with_a_label_is_refused(name: str) -> None:
    transform = getattr(albumentations, name)(**PADDING[name])  # albumentations fills with 0
    with pytest.raises(
        ValueError, match=rf"^augmentation\.train\.1\.fill_mask: {name} would fill masks with 0.*, expected 255"
    ):
        Augmentation([albumentations.HorizontalFlip(), transform], seed=0)
    group = albumentations.Sequential([albumentations.OneOf([albumentations.Transpose(), transform])])
    with pytest.raises(ValueError, match=r"^augmentation\.train\.0\.transforms\.0\.transforms\.1\.fill_mask"):
        Augmentation([group], seed=0)


def test_what_fills_nothing_is_not_refused() -> None:
    Augmentation([albumentations.RandomCrop(8, 8), albumentations.CoarseDropout(), albumentations.D4()], seed=0)
    reflected = albumentations.Affine(rotate=(30, 40), border_mode=cv2.BORDER_REFLECT_101, p=1.0)
    _, mask = Augmentation([reflected], seed=0)(IMAGE, MASK, 0, 0)
    assert set(np.unique(mask)) == {1, 2, 3, 4}


def test_other_ways_to_make_up_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"train\.0: GridElasticDeform fills masks with 0"):
        Augmentation([albumentations.GridElasticDeform((4, 4), 5)], seed=0)
    with pytest.raises(ValueError, match=r"train\.0\.mask_interpolation: expected 0 \(nearest\), got 1"):
        Augmentation([albumentations.Affine(fill_mask=255, mask_interpolation=cv2.INTER_LINEAR)], seed=0)
