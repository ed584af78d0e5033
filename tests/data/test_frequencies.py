import os
from pathlib import Path

import numpy as np
import pytest

from litseg.data import CamVid
from litseg.data.frequencies import class_weights
from litseg.data.scan import SplitScan, scan


def _scan(pixels: list[list[int]]) -> SplitScan:
    counts = np.array(pixels, dtype=np.int64)
    sizes = np.stack([np.ones(len(counts), dtype=np.int64), counts.sum(axis=1)], axis=1)
    return SplitScan(sizes, counts, "")


def test_median_frequency_by_hand() -> None:
    # two images of 10 pixels; f = 12/20, 4/10 (only the first image holds it), 3/20: the median is 0.4
    found = class_weights("median_frequency", _scan([[5, 4, 1, 0], [7, 0, 2, 1]]))
    assert found == pytest.approx([0.4 / 0.6, 1.0, 0.4 / 0.15])


def test_a_class_of_no_image_weighs_nothing_and_leaves_the_median() -> None:
    found = class_weights("median_frequency", _scan([[8, 2, 0, 0]]))
    assert found == pytest.approx([0.5 / 0.8, 0.5 / 0.2, 0.0])


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match=r"median_frequency.*got 'median'"):
        class_weights("median", _scan([[1, 1, 0]]))


CAMVID = Path(os.environ.get("LITSEG_CAMVID", Path(__file__).parents[3] / "shared" / "data" / "camvid"))


@pytest.mark.skipif(not CAMVID.is_dir(), reason="real CamVid is not at hand (set LITSEG_CAMVID to its folder)")
def test_camvid_pixels_are_the_published_ones() -> None:
    found = scan(CamVid(str(CAMVID)), "train")
    assert found is not None
    # github.com/alexgkendall/caffe-segnet/issues/37
    assert found.pixels.sum(axis=0).tolist() == [
        10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859, 714595, 3719877, 405385, 184967, 2503995,
    ]  # fmt: skip
    weights = class_weights("median_frequency", found)
    published = [0.256527, 0.185283, 4.396288, 0.136869, 0.918473, 0.387320, 3.533074, 1.812685, 0.724620, 5.855013,
                 8.136508]  # fmt: skip
    # the published median also counted void as a class: the same vector up to that one factor
    ratios = np.array(weights) / np.array(published)
    assert ratios == pytest.approx(ratios[0], rel=1e-4)
