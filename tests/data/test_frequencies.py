import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litseg.data import CamVid
from litseg.data.frequencies import METHODS, class_weights
from litseg.data.scan import SplitScan, scan
from litseg.labels import Task

# github.com/alexgkendall/caffe-segnet/issues/37: 367 training images of 360 x 480, the last number is void
PIXELS = [
    10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859, 714595, 3719877, 405385, 184967, 2503995,
]  # fmt: skip
IMAGES_WITH_CLASS = [366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201, 367]
SEGNET_WEIGHTS = [
    0.256527, 0.185283, 4.396288, 0.136869, 0.918473, 0.387320, 3.533074, 1.812685, 0.724620, 5.855013, 8.136508,
]  # fmt: skip
AS_SEGNET = {"method": "median_frequency", "median_over": "classes_and_void"}


def _scan(pixels: list[list[int]]) -> SplitScan:
    counts = np.array(pixels, dtype=np.int64)
    sizes = np.stack([np.ones(len(counts), dtype=np.int64), counts.sum(axis=1)], axis=1)
    return SplitScan(sizes, counts, "", np.array([]))


def _camvid() -> SplitScan:
    """Images whose pixels add up to the published numbers: one pixel in each that holds the class, the rest in one."""
    pixels = np.zeros((367, len(PIXELS)), dtype=np.int64)
    for column, (total, images) in enumerate(zip(PIXELS, IMAGES_WITH_CLASS, strict=True)):
        pixels[:images, column] = 1
        pixels[0, column] = total - images + 1
    return SplitScan(np.full((367, 2), [360, 480]), pixels, "", np.array([]))


def test_median_frequency_by_hand() -> None:
    # two images of 10 pixels; f = 12/20, 4/10 (only the first image holds it), 3/20, void 1/10: the median is 0.4
    found = class_weights("median_frequency", _scan([[5, 4, 1, 0], [7, 0, 2, 1]]), "multiclass")
    assert found == pytest.approx([0.4 / 0.6, 1.0, 0.4 / 0.15])


def test_void_may_be_a_class_of_the_median() -> None:
    # the same with f(void) = 1/10: the median of 0.6, 0.4, 0.15, 0.1 is 0.275
    scanned = _scan([[5, 4, 1, 0], [7, 0, 2, 1]])
    assert class_weights(AS_SEGNET, scanned, "multiclass") == pytest.approx([0.275 / 0.6, 0.275 / 0.4, 0.275 / 0.15])
    without_void = _scan([[5, 4, 1, 0], [7, 0, 3, 0]])
    expected = class_weights("median_frequency", without_void, "multiclass")
    assert class_weights(AS_SEGNET, without_void, "multiclass") == expected


def test_the_published_segnet_weights_of_camvid() -> None:
    found = class_weights(AS_SEGNET, _camvid(), "multiclass")
    assert found == pytest.approx(SEGNET_WEIGHTS, rel=1e-4)


def test_effective_number_by_hand() -> None:
    # beta 1/2: (1 - 1/2) / (1 - 1/4) = 2/3 for 2 pixels, 1/2 / (7/8) = 4/7 for 3; their mean is 13/21
    found = class_weights({"method": "effective_number", "beta": 0.5}, _scan([[2, 3, 9]]), "multiclass")
    assert found == pytest.approx([14 / 13, 12 / 13])
    # by default 1 - 1/4 for a mean of 4 pixels: 2 and 6 pixels give 1 - 9/16 and 1 - (3/4)^6
    rare, common = 1 / (1 - 0.75**2), 1 / (1 - 0.75**6)
    found = class_weights("effective_number", _scan([[2, 6, 0]]), "multiclass")
    assert found == pytest.approx([2 * rare / (rare + common), 2 * common / (rare + common)])


def test_effective_number_lies_between_equal_weights_and_inverse_frequency() -> None:
    equal = class_weights({"method": "effective_number", "beta": 0}, _camvid(), "multiclass")
    papers = class_weights({"method": "effective_number", "beta": 0.9999}, _camvid(), "multiclass")
    inverse = class_weights({"method": "effective_number", "beta": 1 - 1e-12}, _camvid(), "multiclass")
    assert equal == [1.0] * 11
    assert papers == pytest.approx(equal, rel=1e-6)  # why the default is another
    assert inverse == pytest.approx(class_weights("inverse_frequency", _camvid(), "multiclass"), rel=1e-3)
    default = class_weights("effective_number", _camvid(), "multiclass")
    assert max(equal) < max(default) < max(inverse)


def test_effective_number_does_not_depend_on_the_size_of_the_images() -> None:
    small, large = _scan([[100, 900, 0], [700, 300, 0]]), _scan([[400, 3600, 0], [2800, 1200, 0]])
    expected = class_weights("effective_number", small, "multiclass")
    assert class_weights("effective_number", large, "multiclass") == pytest.approx(expected, rel=1e-3)


def test_enet_by_hand() -> None:
    # void is left out: 3 and 1 of 4 valid pixels
    scanned = _scan([[3, 1, 96]])
    expected = [1 / np.log(1.02 + 0.75), 1 / np.log(1.02 + 0.25)]
    assert class_weights("enet", scanned, "multiclass") == pytest.approx(expected)
    expected = [1 / np.log(1.75), 1 / np.log(1.25)]
    assert class_weights({"method": "enet", "constant": 1}, scanned, "multiclass") == pytest.approx(expected)


def test_inverse_frequency_by_hand() -> None:
    # shares 3/4 and 1/4: 4/3 and 4, whose mean is 8/3
    assert class_weights("inverse_frequency", _scan([[3, 1, 96]]), "multiclass") == pytest.approx([0.5, 1.5])


@pytest.mark.parametrize("method", METHODS)
def test_a_class_of_no_image_weighs_nothing_and_changes_no_other(method: str) -> None:
    found = class_weights(method, _scan([[8, 0, 2, 1]]), "multiclass")
    rest = class_weights(method, _scan([[8, 2, 1]]), "multiclass")
    assert found == [rest[0], 0.0, rest[1]]
    assert 0 < rest[0] < rest[1]


@pytest.mark.parametrize("method", METHODS)
def test_binary_is_background_and_foreground(method: str) -> None:
    background, foreground = class_weights(method, _scan([[90, 5, 5], [80, 10, 10]]), "binary")
    assert 0 < background < foreground


def test_multilabel_counts_the_positive_entries_of_each_class() -> None:
    # 2 images of 10 pixels, 3 classes that overlap, 4 void entries: f = 10/20, 5/10, 2/10
    scanned = SplitScan(np.array([[2, 5], [2, 5]]), np.array([[4, 5, 0, 3], [6, 0, 2, 1]]), "", np.array([]))
    assert class_weights("median_frequency", scanned, "multilabel") == pytest.approx([1.0, 1.0, 2.5])
    # of 17 positive entries: 17/10, 17/5 and 17/2, whose mean is 13.6/3
    expected = [1.7 * 3 / 13.6, 3.4 * 3 / 13.6, 8.5 * 3 / 13.6]
    assert class_weights("inverse_frequency", scanned, "multilabel") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("setting", "task", "message"),
    [
        ("median", "multiclass", r"as method one of \['median_frequency', .* got 'median'"),
        ({"median_over": "classes"}, "multiclass", "as method one of .* got None"),
        ({"method": ["enet"]}, "multiclass", r"as method one of .* got \['enet'\]"),
        (
            {"method": "enet", "beta": 0.9},
            "multiclass",
            r"of enet no other parameter than \['constant'\], got \['beta'\]",
        ),
        ({"method": "enet", "scan": 1}, "multiclass", r"got \['scan'\]"),
        ({"method": "inverse_frequency", "beta": 0.9}, "multiclass", r"no other parameter than \[\], got \['beta'\]"),
        ({"method": "enet", "constant": 0.5}, "multiclass", "constant: expected a number from 1 on, got 0.5"),
        ({"method": "effective_number", "beta": 1.0}, "multiclass", "beta: expected .* below 1, got 1.0"),
        ({"method": "effective_number", "beta": "0.9"}, "multiclass", "beta: expected .* got '0.9'"),
        (
            {"method": "median_frequency", "median_over": "all"},
            "binary",
            "expected classes or classes_and_void, got 'all'",
        ),
        (AS_SEGNET, "multilabel", "median_over: expected classes in a multilabel task"),
    ],
)
def test_what_is_wrong_is_named(setting: str | Mapping[str, Any], task: Task, message: str) -> None:
    with pytest.raises(ValueError, match=f"class_weights.*{message}"):
        class_weights(setting, _scan([[1, 1, 0]]), task)


def test_a_split_without_any_class_is_refused() -> None:
    with pytest.raises(ValueError, match="a training split with a pixel of some class, got none"):
        class_weights("enet", SplitScan(np.array([[2, 5]]), np.array([[0, 0, 3]]), "", np.array([])), "multilabel")


CAMVID = Path(os.environ.get("LITSEG_DATA") or Path(__file__).parents[3] / "shared" / "data") / "camvid"


@pytest.mark.skipif(
    not CAMVID.is_dir(), reason="real CamVid is not at hand (set LITSEG_DATA to the folder that holds camvid)"
)
def test_camvid_pixels_and_weights_are_the_published_ones() -> None:
    found = scan(CamVid(str(CAMVID)), "train")
    assert found is not None
    assert found.pixels.sum(axis=0).tolist() == PIXELS
    assert (found.pixels > 0).sum(axis=0).tolist() == IMAGES_WITH_CLASS
    assert class_weights(AS_SEGNET, found, "multiclass") == pytest.approx(SEGNET_WEIGHTS, rel=1e-4)
