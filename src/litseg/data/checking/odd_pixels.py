"""Images that can be read but whose values or tags are not what one would expect."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from litseg.data.checking.findings import Contents, Finding, some
from litseg.data.source import Source
from litseg.data.statistics import channel_statistics

FAR_OFF: Final = 5.0
"""Factor between the measured and the configured std from which they are of different ranges, not merely different."""


def odd_pixels(source: Source, content: Contents) -> list[Finding]:
    """The warnings of a split."""
    split, samples = content.split, content.samples
    types = sorted({sample.dtype for sample in samples})
    high = max(sample.high for sample in samples)
    rotated = content.chosen(lambda sample: sample.orientation != 1)
    constant = content.chosen(lambda sample: sample.low == sample.high)
    found = [
        (
            "EXIF rotation",
            rotated,
            f"an EXIF tag asks to rotate {some(rotated)}; litseg ignores it, as masks have none: make sure that mask "
            "and pixels agree as they are stored (`litseg data show`), or rotate the pixels and drop the tag",
        ),
        ("constant image", constant, f"every pixel of {some(constant)} has the same value; leave them out or restore"),
        (
            "odd range",
            content.names if types == ["uint16"] and high <= 255 else [],
            f"16-bit files whose largest value is {high:g}, so 8-bit values; data.mean and data.std must be of that "
            "range, or save them as 8 bit",
        ),
        ("odd range", *_statistics_far_off(source, content)),
    ]
    return [Finding("warning", kind, split, tuple(files), message) for kind, files, message in found if files]


def _statistics_far_off(source: Source, content: Contents) -> tuple[list[str], str]:
    """Images of 0 to 1 under a std of 57, or of 0 to 65535: the network would see a grey wall, or noise."""
    _, std = channel_statistics(content.samples)
    configured = np.array(source.std)
    far = content.split == "train" and bool(((std > FAR_OFF * configured) | (std < configured / FAR_OFF)).any())
    low, high = min(sample.low for sample in content.samples), max(sample.high for sample in content.samples)
    message = (
        f"values from {low:g} to {high:g} with std {_numbers(std)}, but data.std is {_numbers(configured)}: these are "
        "different ranges; `litseg data stats` prints the right data.mean and data.std"
    )
    return content.names if far else [], message


def _numbers(values: Sequence[float] | NDArray[np.float64]) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"
