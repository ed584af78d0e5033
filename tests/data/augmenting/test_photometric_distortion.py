from typing import Any

import cv2
import numpy as np
import pytest

from litseg.data.augmenting.augmentation import Augmentation
from litseg.data.augmenting.photometric_distortion import PhotometricDistortion

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
MASK = np.zeros((20, 30), dtype=np.uint8)
STILL: dict[str, Any] = {"shift": 0.0, "contrast": 1.0, "saturation": 1.0, "turn": 0, "contrast_first": True}


def _applied(image: np.ndarray[Any, Any], **changes: Any) -> np.ndarray[Any, Any]:
    changed: np.ndarray[Any, Any] = PhotometricDistortion().apply(image, **STILL | changes)
    return changed


def test_brightness_and_contrast_by_hand() -> None:
    pixel = np.array([[[10, 100, 250]]], dtype=np.uint8)
    assert _applied(pixel, shift=20.7)[0, 0].tolist() == [30, 120, 255]
    assert _applied(pixel, contrast=0.5)[0, 0].tolist() == [5, 50, 125]
    assert _applied(pixel, shift=-20.0, contrast=1.5)[0, 0].tolist() == [0, 120, 255]
    assert np.array_equal(_applied(IMAGE), IMAGE)


def test_saturation_and_hue_are_scaled_and_turned_in_hsv() -> None:
    """Red of half saturation; a third of the circle, 60 of OpenCV's 180, further it is green."""
    red = np.array([[[200, 100, 100]]], dtype=np.uint8)
    assert _applied(red, turn=60)[0, 0].tolist() == [100, 200, 100]
    assert _applied(red, turn=-60)[0, 0].tolist() == [100, 100, 200]
    assert _applied(red, saturation=0.0)[0, 0].tolist() == [200, 200, 200]
    hue, saturation, value = cv2.cvtColor(_applied(red, saturation=1.5), cv2.COLOR_RGB2HSV)[0, 0].tolist()
    assert (hue, value) == (0, 200)
    assert saturation == pytest.approx(1.5 * 128, abs=2)


def test_contrast_is_first_or_last() -> None:
    """Brightened into clipping before the colours change, or after: what was clipped differs."""
    changes = {"contrast": 1.5, "saturation": 0.5}
    first, last = _applied(IMAGE, **changes), _applied(IMAGE, **changes, contrast_first=False)
    once = _applied(_applied(IMAGE, contrast=1.5), saturation=0.5)
    assert np.array_equal(first, once)
    assert np.array_equal(last, _applied(_applied(IMAGE, saturation=0.5), contrast=1.5))
    assert not np.array_equal(first, last)


def test_each_step_is_drawn_with_a_chance_of_one_half_and_in_its_range() -> None:
    transform = PhotometricDistortion()
    transform.set_random_seed(0)
    drawn = [transform.get_params() for _ in range(2000)]
    for name, still, low, high in (
        ("shift", 0, -32, 32), ("contrast", 1, 0.5, 1.5), ("saturation", 1, 0.5, 1.5), ("turn", 0, -18, 18),
    ):  # fmt: skip
        values = np.array([each[name] for each in drawn], dtype=float)
        moved = values[values != still]
        assert 0.45 < len(moved) / 2000 < 0.55
        assert low <= moved.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < moved.max() <= high
    assert 0.45 < np.mean([each["contrast_first"] for each in drawn]) < 0.55
    assert {each["turn"] for each in drawn} == set(range(-18, 19))


def test_it_is_photometric_seeded_and_leaves_masks_and_inputs_alone() -> None:
    before = IMAGE.copy()
    augmentation = Augmentation([PhotometricDistortion()], seed=0)
    found = [augmentation(IMAGE, MASK, 0, index) for index in (0, 0, 1, 2)]
    assert np.array_equal(found[0][0], found[1][0])
    assert len({image.tobytes() for image, _ in found}) > 1
    assert all(mask is MASK or np.array_equal(mask, MASK) for _, mask in found)
    assert np.array_equal(IMAGE, before)
    six = np.concatenate([IMAGE, IMAGE], axis=2)
    image, _ = Augmentation([PhotometricDistortion()], 0, [3, 4, 5])(six, MASK, 0, 0)
    assert np.array_equal(image[..., :3], IMAGE)


@pytest.mark.parametrize(("channels", "dtype"), [([0], np.uint8), ([0, 1, 2], np.uint16)])
def test_other_images_are_refused(channels: list[int], dtype: type) -> None:
    with pytest.raises(ValueError, match=r"PhotometricDistortion expects RGB of 8 bits, got"):
        Augmentation([PhotometricDistortion()], 0, channels)(IMAGE.astype(dtype), MASK, 0, 0)
