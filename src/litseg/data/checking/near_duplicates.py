"""Images of different splits that show nearly the same: saved anew, or a video's neighbouring frames."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SAME_PICTURE: Final = 0.99
"""Correlation of thumbnails from which two images are one picture saved anew; the most alike of 28 fundus photographs
(CHASE_DB1) reach 0.982."""
SAME_SCENE: Final = 0.6
"""Correlation from which two images with neighbouring numbers show one scene, after what all images of the set have in
common is taken away: CamVid's frames a second apart have a median of 0.65, fundus photographs with neighbouring numbers
(CHASE_DB1) -0.2 and less."""
BLOCK: Final = 1024
"""Rows compared at once, which bounds the memory."""


class Twins(NamedTuple):
    """Two samples of different splits that look alike, by place in their splits."""

    splits: tuple[str, str]
    places: tuple[int, int]
    correlation: float


def near_duplicates(thumbnails: Mapping[str, NDArray[np.uint8]]) -> list[Twins]:
    """Pairs from different splits whose thumbnails correlate above `SAME_PICTURE`; brightness and contrast cancel.

    Args:
        thumbnails: split -> uint8 (n, height, width), all of one height and width.
    """
    flat = {split: images.reshape(len(images), -1) for split, images in thumbnails.items()}
    found = []
    for first, second in _pairs_of(list(flat)):
        others = _unit(flat[second]).T
        for start in range(0, len(flat[first]), BLOCK):
            correlation = _unit(flat[first][start : start + BLOCK]) @ others
            for row, column in zip(*np.nonzero(correlation > SAME_PICTURE), strict=True):
                places = (start + int(row), int(column))
                found.append(Twins((first, second), places, float(correlation[row, column])))
    return found


def neighbouring_frames(thumbnails: Mapping[str, NDArray[np.uint8]], names: Mapping[str, Sequence[str]]) -> list[Twins]:
    """Pairs with neighbouring numbers in different splits that show one scene.

    Names are divided at their last number (`0001TP_008550`); of each series (`0001TP_`) two samples are neighbours
    where no other lies between them and their numbers are at most two of the series' usual steps apart. The median of
    all such pairs of a series and two splits decides, so that a single resemblance among pictures numbered at random
    says nothing.

    Args:
        thumbnails: as in `near_duplicates`.
        names: split -> the samples' names.
    """
    total = np.sum([images.sum(axis=0, dtype=np.float64) for images in thumbnails.values()], axis=0)
    average = (total / sum(len(images) for images in thumbnails.values())).ravel().astype(np.float32)
    groups: dict[tuple[str, str, str], list[Twins]] = defaultdict(list)
    for series, (first, second) in _neighbours(names):
        vectors = np.stack([thumbnails[split][place].ravel() - average for split, place in (first, second)])
        unit = _unit(vectors)
        twins = Twins((first[0], second[0]), (first[1], second[1]), float(unit[0] @ unit[1]))
        groups[series, *sorted(twins.splits)].append(twins)  # type: ignore[index]
    alike = [group for group in groups.values() if np.median([twins.correlation for twins in group]) >= SAME_SCENE]
    return [twins for group in alike for twins in group if twins.correlation >= SAME_SCENE]


def _neighbours(names: Mapping[str, Sequence[str]]) -> list[tuple[str, tuple[tuple[str, int], tuple[str, int]]]]:
    """(series, ((split, place), (split, place))) of neighbours in different splits, the smaller number first."""
    series: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
    for split, own in names.items():
        for place, name in enumerate(own):
            if match := re.fullmatch(r"(.*?)(\d+)(\D*)", name):
                series[f"{match[1]}*{match[3]}"].append((int(match[2]), split, place))
    found = []
    for key, members in series.items():
        members.sort()
        steps = np.diff([number for number, _, _ in members])
        for step, before, after in zip(steps, members, members[1:], strict=False):
            if before[1] != after[1] and step <= 2 * np.median(steps):
                found.append((key, (before[1:], after[1:])))
    return found


def _pairs_of(splits: Sequence[str]) -> list[tuple[str, str]]:
    return [(first, second) for place, first in enumerate(splits) for second in splits[place + 1 :]]


def _unit(vectors: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows without their mean, of length 1; a constant row becomes 0 and resembles nothing."""
    centred = vectors.astype(np.float32) - vectors.mean(axis=1, dtype=np.float32, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.where(length > 0, length, 1), dtype=np.float32)
