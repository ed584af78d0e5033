import io

import cv2
import numpy as np
import pytest
from PIL import Image

from litseg.data.checking.near_duplicates import BLOCK, near_duplicates, neighbouring_frames


def _scenes(count: int, seed: int = 0) -> np.ndarray:
    """Smooth pictures that have nothing in common, (count, 32, 32)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 5, 5), dtype=np.uint8)
    return np.stack([cv2.resize(one, (32, 32), interpolation=cv2.INTER_CUBIC) for one in coarse])


def _as_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_a_picture_saved_anew_is_found_and_others_are_not() -> None:
    train, val = _scenes(40), _scenes(30, seed=1)
    val[7] = _as_jpeg(train[3], quality=30)
    val[9] = (train[5] * 0.6 + 20).astype(np.uint8)
    found = near_duplicates({"train": train, "val": val})
    assert [(twins.splits, twins.places) for twins in found] == [(("train", "val"), (3, 7)), (("train", "val"), (5, 9))]


def test_blocks_change_nothing() -> None:
    train = np.concatenate([_scenes(3)] * (BLOCK // 3 + 2))
    found = near_duplicates({"train": train, "test": train[-2:]})
    assert len(found) == 2 * (BLOCK // 3 + 2)
    assert max(twins.places[0] for twins in found) == len(train) - 1


def test_constant_pictures_resemble_nothing() -> None:
    constant = np.full((2, 32, 32), 7, dtype=np.uint8)
    assert near_duplicates({"train": constant, "val": constant}) == []


def _video(frames: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    long = cv2.resize(rng.integers(0, 256, (5, 14), dtype=np.uint8), (frames * 3 + 32, 32))
    return np.stack([long[:, 3 * frame : 3 * frame + 32] for frame in range(frames)])


def test_a_video_cut_into_splits_is_found_where_it_is_cut() -> None:
    video = _video(40)
    names = [f"0001TP_{6690 + 30 * frame:06d}" for frame in range(40)]
    found = neighbouring_frames({"train": video[:25], "test": video[25:]}, {"train": names[:25], "test": names[25:]})
    assert [(twins.splits, twins.places) for twins in found] == [(("train", "test"), (24, 0))]


@pytest.mark.parametrize("names", ["other video", "far apart"])
def test_other_videos_and_far_frames_are_no_neighbours(names: str) -> None:
    video = _video(40)
    train = [f"a_{frame:03d}" for frame in range(20)]
    test = [f"{'b' if names == 'other video' else 'a'}_{frame + 500:03d}" for frame in range(20)]
    assert neighbouring_frames({"train": video[:20], "test": video[20:]}, {"train": train, "test": test}) == []


def test_pictures_numbered_at_random_are_no_video() -> None:
    scenes = _scenes(60)
    names = [f"{number:03d}" for number in range(60)]
    splits = {"train": slice(0, None, 2), "val": slice(1, None, 2)}
    thumbnails = {split: scenes[part] for split, part in splits.items()}
    assert neighbouring_frames(thumbnails, {split: names[part] for split, part in splits.items()}) == []
