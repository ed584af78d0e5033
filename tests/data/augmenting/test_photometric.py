from typing import Any

import albumentations
import numpy as np
import pytest

from litseg.data.augmenting.augmentation import Augmentation

MASK = np.zeros((20, 30), dtype=np.uint8)
BRIGHTER = albumentations.RandomBrightnessContrast(brightness_limit=(0.3, 0.3), contrast_limit=(0, 0), p=1.0)
Image = np.ndarray[Any, Any]


def _image(dtype: type, channels: int) -> Image:
    values = np.random.default_rng(0).uniform(0, 200, (20, 30, channels))
    return (values * (1 if dtype is np.uint8 else 30)).astype(dtype)


def _changed(image: Image, transforms: list[Any], channels: list[int] | None) -> Image:
    before = image.copy()
    result, _ = Augmentation(transforms, 0, channels)(image, MASK, 0, 0)
    assert np.array_equal(image, before)
    assert (result.dtype, result.shape) == (image.dtype, image.shape)
    return result


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("nested", [False, True])
def test_only_the_named_channels_are_changed(dtype: type, nested: bool) -> None:
    transforms = [albumentations.OneOf([BRIGHTER], p=1.0)] if nested else [BRIGHTER]
    image = _image(dtype, 6)
    result = _changed(image, transforms, [4, 1, 2])
    assert np.array_equal(result[..., [0, 3, 5]], image[..., [0, 3, 5]])
    assert (result[..., [1, 2, 4]] >= image[..., [1, 2, 4]]).all()
    assert (result[..., [1, 2, 4]] > image[..., [1, 2, 4]]).mean() > 0.9


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_images_keep_their_range_and_digits(dtype: type) -> None:
    """Values up to 6000: clipped to 1, or to 255, nothing of the image would be left."""
    image = _image(dtype, 3)
    low, high = float(image.min()), float(image.max())
    result = _changed(image, [BRIGHTER], [0, 1, 2])
    expected = np.minimum(image.astype(np.float64) + 0.3 * (high - low), high)
    assert np.abs(result - expected).max() < (1 if dtype is np.uint16 else 0.01)
    never = albumentations.RandomGamma(p=0.0)
    assert np.array_equal(_changed(image, [never], [0, 1, 2]), image)
    flat = np.full_like(image, 7)
    assert np.array_equal(_changed(flat, [BRIGHTER], [0, 1, 2]), flat)


@pytest.mark.parametrize("channels", [1, 3])
def test_all_channels_of_rgb_and_grey_are_changed_without_a_name(channels: int) -> None:
    image = _image(np.uint8, channels)
    plain = albumentations.Compose([BRIGHTER])(image=image)["image"]
    assert np.array_equal(_changed(image, [BRIGHTER], None), plain)
    jitter = albumentations.ColorJitter(p=1.0)  # what the standard preset has
    assert not np.array_equal(_changed(image, [jitter], None), image)


def test_no_channel_at_all() -> None:
    image = _image(np.uint16, 6)
    result = _changed(image, [BRIGHTER, albumentations.HorizontalFlip(p=1.0)], [])
    assert np.array_equal(result, image[:, ::-1])


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 4), (np.uint16, 3), (np.float32, 1)])
def test_channels_of_other_images_must_be_named(dtype: type, channels: int) -> None:
    with pytest.raises(ValueError, match=rf"photometric_channels: RandomBright.* of {channels} channels; expected"):
        _changed(_image(dtype, channels), [BRIGHTER], None)
    flipped = _changed(_image(dtype, channels), [albumentations.HorizontalFlip(p=1.0)], None)
    assert np.array_equal(flipped, _image(dtype, channels)[:, ::-1])


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"photometric_channels: expected numbers of 0 to 2, got \[1, 3\]"):
        _changed(_image(np.uint8, 3), [BRIGHTER], [1, 3])


def test_the_order_of_the_list_is_kept_and_its_transforms_are_left_as_they_are() -> None:
    """First dark and clipped, then bright: the other way round nothing would be lost."""
    darker = albumentations.RandomBrightnessContrast(brightness_limit=(-1, -1), contrast_limit=(0, 0), p=1.0)
    group = albumentations.Sequential([darker, BRIGHTER], p=1.0)
    first, again = (_changed(_image(np.uint8, 3), [group], None) for _ in range(2))
    assert len(np.unique(first)) == 1
    assert np.array_equal(first, again)
    assert group.transforms == [darker, BRIGHTER]
