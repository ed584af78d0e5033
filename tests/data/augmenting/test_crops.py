import random
from typing import Any

import albumentations
import numpy as np
import pytest

from litseg.data.augmenting.augmentation import Augmentation
from litseg.data.augmenting.crops import ClassCrop

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def _mask(*pixels: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    mask = np.zeros((40, 60), dtype=np.uint8)
    for row, column in pixels:
        mask[row, column] = 7
    return mask


@pytest.mark.parametrize("pixel", [(0, 0), (39, 59), (17, 30), (3, 58)])
def test_the_crop_holds_the_class_wherever_it_is(pixel: tuple[int, int]) -> None:
    augmentation = Augmentation([ClassCrop(16, 16)], seed=0)
    for index in range(60):
        image, mask = augmentation(IMAGE, _mask(pixel), 0, index, held_class=7)
        (row,), (column,) = np.nonzero(mask == 7)
        assert np.array_equal(image[row, column], IMAGE[pixel])  # image and mask are cut alike
        assert image.shape == (16, 16, 3)


def test_each_pixel_of_the_class_and_each_window_around_it_is_drawn() -> None:
    augmentation = Augmentation([ClassCrop(4, 4)], seed=0)
    found = [
        np.nonzero(augmentation(IMAGE, _mask((20, 10), (20, 50)), 0, index, held_class=7)[1] == 7)
        for index in range(400)
    ]
    assert {(int(row), int(column)) for (row,), (column,) in found} == {(y, x) for y in range(4) for x in range(4)}
    image = np.broadcast_to(np.arange(60, dtype=np.uint8)[None, :, None], (40, 60, 3))  # its own column
    left = [
        augmentation(image, _mask((20, 10), (20, 50)), 0, index, held_class=7)[0].min() < 30 for index in range(400)
    ]
    assert 150 < sum(left) < 250


def test_without_a_class_to_hold_every_window_is_drawn() -> None:
    augmentation = Augmentation([ClassCrop(38, 58)], seed=0)
    image = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60, 1)
    for held_class in (-1, 5):  # no class drawn; a class that is not in this mask
        corners = {
            int(augmentation(image, _mask((20, 10)), 0, index, held_class=held_class)[0][0, 0, 0])
            for index in range(200)
        }
        assert corners == {row * 60 + column for row in range(3) for column in range(3)}


def test_padding_is_void_and_the_class_is_still_held() -> None:
    augmentation = Augmentation([ClassCrop(64, 16)], seed=0)
    for index in range(40):
        image, mask = augmentation(IMAGE, _mask((5, 59)), 0, index, held_class=7)
        assert mask.shape == (64, 16)
        assert (mask == 7).sum() == 1
        assert (mask == 255).sum() == 24 * 16
        assert not image[mask == 255].any()


def test_multilabel_holds_a_channel() -> None:
    augmentation = Augmentation([ClassCrop(64, 16)], seed=0)
    mask = np.zeros((40, 60, 5), dtype=np.uint8)
    mask[5, 59, 3] = 1
    for index in range(20):
        cut = augmentation(IMAGE, mask, 0, index, held_class=3)[1]
        assert cut.shape == (64, 16, 5)
        assert cut[..., 3][cut[..., 3] != 255].sum() == 1
        assert (cut == 255).sum(axis=(0, 1)).tolist() == [24 * 16] * 5


def _half_and_half() -> np.ndarray[Any, np.dtype[np.uint8]]:
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[:, 30:] = 1
    mask[:, 0] = 255
    return mask


def test_no_class_fills_the_crop_alone_where_another_window_can_be_found() -> None:
    """In 7 of 45 windows no class has 75 %: one of eleven draws finds one in 85 % of the cases."""

    def balanced(cat_max_ratio: float) -> float:
        augmentation = Augmentation([ClassCrop(16, 16, cat_max_ratio=cat_max_ratio)], seed=0)
        masks = [augmentation(IMAGE, _half_and_half(), 0, index)[1] for index in range(200)]
        return float(np.mean([0.25 < (mask == 1).sum() / (mask != 255).sum() < 0.75 for mask in masks]))

    assert balanced(1.0) < 0.25
    assert 0.73 < balanced(0.75) < 0.93


def test_a_mask_of_one_class_is_taken_after_ten_more_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, window = [], ClassCrop._window

    def counted(crop: ClassCrop, *given: Any) -> tuple[int, int, int, int]:
        drawn.append(given)
        return window(crop, *given)

    monkeypatch.setattr(ClassCrop, "_window", counted)
    for height in (16, 64):  # 64: padded, and padding is no second class
        drawn.clear()
        augmentation = Augmentation([ClassCrop(height, 16, cat_max_ratio=0.75)], seed=0)
        augmentation(IMAGE, np.ones((40, 60), dtype=np.uint8), 0, 0)
        assert len(drawn) == 11


def test_void_does_not_count_in_the_ratio() -> None:
    crop = ClassCrop(2, 4, cat_max_ratio=0.6)
    assert crop._is_mixed(np.array([[0, 1, 255, 255], [0, 1, 255, 255]]))
    assert not crop._is_mixed(np.array([[0, 255, 255, 255], [0, 255, 255, 255]]))
    assert not crop._is_mixed(np.array([[0, 0, 1, 0], [0, 0, 1, 1]]))  # 5 of 8 is above 0.6


def test_what_it_refuses() -> None:
    with pytest.raises(ValueError, match=r"cat_max_ratio: .* got 0"):
        ClassCrop(16, 16, cat_max_ratio=0.0)
    with pytest.raises(ValueError, match="not for multilabel"):
        Augmentation([ClassCrop(16, 16, cat_max_ratio=0.5)], 0)(IMAGE, np.zeros((40, 60, 2), dtype=np.uint8), 0, 0)


def test_it_draws_from_the_generators_of_the_composition() -> None:
    crop = albumentations.Compose([ClassCrop(8, 8)])
    cuts = []
    for _ in range(2):
        crop.set_random_state(np.random.default_rng(5), random.Random(5))
        cuts.append([crop(image=IMAGE, mask=_mask())["image"].tobytes() for _ in range(5)])
    assert cuts[0] == cuts[1]
    assert len(set(cuts[0])) > 1
