from typing import Any

import numpy as np
import pytest

from litseg.data.augmenting.copy_paste import CopyPaste

PIXELS = np.array([[1200, 0, 0, 0], [1158, 0, 42, 0]])  # class 2 in the second image alone
Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def _sample(index: int, size: tuple[int, int] = (30, 40)) -> Arrays:
    """The second one holds two objects of class 2: one of 40 pixels in a diagonal of squares, one of 2 pixels."""
    image = np.full((*size, 3), 10 * index, dtype=np.uint8)
    mask = np.zeros(size, dtype=np.uint8)
    if index == 1:
        for step in range(10):
            mask[2 + 2 * step : 4 + 2 * step, 5 + 2 * step : 7 + 2 * step] = 2
        mask[0, 38:40] = 2
        image[mask == 2] = np.arange(3 * (mask == 2).sum(), dtype=np.uint8).reshape(-1, 3) + 50
    return image, mask


def _paste(paste: CopyPaste, seed: int, size: tuple[int, int] = (30, 40), void: int = 0) -> Arrays:
    image, mask = _sample(0, size)
    mask[:void] = 255
    before = image.copy(), mask.copy()
    result = paste(image, mask, np.random.default_rng(seed), _sample)
    assert np.array_equal(image, before[0])
    assert np.array_equal(mask, before[1])
    return result


def test_an_object_comes_whole_with_its_pixels_and_nothing_else_changes() -> None:
    paste = CopyPaste(PIXELS, p=1.0, objects=1)
    original = _sample(1)
    places = set()
    for seed in range(40):
        image, mask = _paste(paste, seed, void=20)
        assert (mask == 2).sum() == 40  # connected by corners, and not the object of 2 pixels
        assert np.array_equal(image[mask == 2], original[0][4 - 2 :][original[1][2:] == 2])
        assert not image[mask != 2].any()
        assert set(np.unique(mask[:20])) <= {255, 2}
        assert set(np.unique(mask[20:])) <= {0, 2}
        places.add(tuple(np.argwhere(mask == 2)[0]))
    assert len(places) > 30


def test_objects_may_stay_where_they_were() -> None:
    _, mask = _paste(CopyPaste(PIXELS, p=1.0, objects=1, move=False), 0)
    assert np.array_equal(mask == 2, (_sample(1)[1] == 2) & (np.arange(40) < 30))


@pytest.mark.parametrize("move", [True, False])
def test_an_object_larger_than_the_image_is_cut(move: bool) -> None:
    image, mask = _paste(CopyPaste(PIXELS, p=1.0, objects=1, move=move), 0, size=(10, 12))
    assert image.shape[:2] == mask.shape == (10, 12)
    assert 0 < (mask == 2).sum() < 40


def test_a_share_of_the_samples_and_up_to_so_many_objects() -> None:
    changed = [(_paste(CopyPaste(PIXELS, p=0.3), seed)[1] == 2).sum() for seed in range(300)]
    assert np.mean(np.array(changed) > 0) == pytest.approx(0.3, abs=0.08)
    assert max(changed) > 80


def test_multilabel_objects_bring_all_their_labels() -> None:
    def read(index: int) -> Arrays:
        image, mask = _sample(index)
        return image, np.stack([mask == 2, np.zeros_like(mask), mask == 2], axis=-1).astype(np.uint8)

    image, mask = CopyPaste(PIXELS, p=1.0, objects=1)(*read(0), np.random.default_rng(0), read)
    assert mask.sum(axis=(0, 1)).tolist() == [40, 0, 40]
    assert np.array_equal(image.any(axis=-1), mask[..., 2] == 1)


def test_the_rare_classes_are_those_below_a_share_that_occur() -> None:
    pixels = np.array([[900, 80, 20, 0, 5000]])
    assert CopyPaste(pixels).classes == [2]
    assert CopyPaste(pixels, max_share=0.5).classes == [1, 2]
    assert CopyPaste(pixels, classes=[1]).classes == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_share": 0.001}, r"copy_paste: no class has a share below 0\.001"),
        ({"classes": [1]}, r"copy_paste: no class has a pixel among \[1\]"),
        ({"classes": [3]}, r"copy_paste\.classes: expected labels of 0 to 2"),
        ({"p": 2.0}, "copy_paste: expected p from 0 to 1"),
    ],
)
def test_what_it_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CopyPaste(PIXELS, **options)
