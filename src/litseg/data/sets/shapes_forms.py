"""The objects of the embedded data set `shapes`: their silhouettes and the textures that tell them apart.

Everything here is integer arithmetic on integer random numbers, so that a drawing does not depend on how a platform
rounds a sine or a square root. Lengths are given for a 128-pixel image and grow with it; a wire and a dot do not
shrink below what a label can still hold.
"""

from collections.abc import Callable
from math import isqrt
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

REFERENCE_SIZE: Final = 128
"""The image side that the lengths below are meant for."""

IntArray = NDArray[np.int64]


class Form(NamedTuple):
    """One object before it has colours."""

    silhouette: NDArray[np.bool_]  # (H, W): where it is, whether or not something hides it
    blend: IntArray  # (H, W) in 0..256: how much of its second colour a pixel has; this is the texture


def scaled(length: int, size: int) -> int:
    """Return a length meant for a 128-pixel image in pixels of this one."""
    return max(1, length * size // REFERENCE_SIZE)


def offsets(centre: tuple[int, int], size: int) -> tuple[IntArray, IntArray]:
    """Return each pixel's distance to the centre, down (H, 1) and right (1, W)."""
    steps = np.arange(size, dtype=np.int64)
    return (steps - centre[0])[:, None], (steps - centre[1])[None, :]


def cells(rng: np.random.Generator, size: int, cell: int, smooth: bool) -> IntArray:
    """Draw a random weight in 0..255 per cell: hard-edged speckle, or a smooth cloud."""
    count = size // cell + 2
    coarse = rng.integers(0, 256, (count, count), dtype=np.uint8)
    # the _EXACT mode is the one that OpenCV promises to be the same on every machine
    mode = cv2.INTER_LINEAR_EXACT if smooth else cv2.INTER_NEAREST
    fine = cv2.resize(coarse, (count * cell, count * cell), interpolation=mode)
    return np.asarray(fine[:size, :size], dtype=np.int64)


def _point(rng: np.random.Generator, size: int, margin: int) -> tuple[int, int]:
    """Draw a point at least `margin` inside the image, or up to that far outside if it is negative."""
    inset = scaled(margin, size) if margin >= 0 else -scaled(-margin, size)
    y, x = rng.integers(inset, size - inset, 2)
    return int(y), int(x)


def _length(rng: np.random.Generator, size: int, low: int, high: int) -> int:
    return scaled(int(rng.integers(low, high + 1)), size)


def blob(rng: np.random.Generator, size: int) -> Form:
    """Draw a lumpy patch, a short walk of overlapping circles, with speckle as its texture."""
    y, x = _point(rng, size, 8)
    silhouette = np.zeros((size, size), dtype=np.bool_)
    for _ in range(int(rng.integers(5, 9))):
        radius = _length(rng, size, 10, 18)
        down, right = offsets((y, x), size)
        silhouette |= down**2 + right**2 <= radius**2
        y, x = (int(v) for v in np.array((y, x)) + rng.integers(-radius, radius + 1, 2))
    return Form(silhouette, cells(rng, size, max(2, scaled(2, size)), smooth=False))


def disc(rng: np.random.Generator, size: int) -> Form:
    """Draw a disc, shaded from its rim to its middle."""
    centre, radius = _point(rng, size, 4), _length(rng, size, 8, 17)
    down, right = offsets(centre, size)
    square = down**2 + right**2
    return Form(square <= radius**2, np.maximum(256 - square * 256 // radius**2, 0))


def box(rng: np.random.Generator, size: int) -> Form:
    """Draw a turned rectangle with stripes along one of its sides."""
    down, right = offsets(_point(rng, size, 4), size)
    a, b = (int(v) for v in rng.integers(-8, 9, 2))
    a = a or 8  # some direction at all
    norm = isqrt(64 * (a * a + b * b))  # in 1/8: a direction's length is rarely a whole number
    along, across = 8 * (a * down + b * right), 8 * (a * right - b * down)
    half_long, half_short = _length(rng, size, 8, 14), _length(rng, size, 5, 9)
    silhouette = (np.abs(along) <= half_long * norm) & (np.abs(across) <= half_short * norm)
    period = max(2, _length(rng, size, 2, 4))
    return Form(silhouette, along // (period * norm) % 2 * 256)


def wire(rng: np.random.Generator, size: int) -> Form:
    """Draw a curve about two pixels wide, a quadratic Bezier with one plain colour."""
    first, middle, last = (np.array(_point(rng, size, -6)) for _ in range(3))
    total = 4 * size
    t = np.arange(total + 1, dtype=np.int64)[:, None]
    curve = ((total - t) ** 2 * first + 2 * t * (total - t) * middle + t**2 * last) // total**2
    silhouette = np.zeros((size, size), dtype=np.bool_)
    for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        y, x = (curve + step).T
        inside = (y >= 0) & (y < size) & (x >= 0) & (x < size)
        silhouette[y[inside], x[inside]] = True
    return Form(silhouette, np.zeros((size, size), dtype=np.int64))


def dot(rng: np.random.Generator, size: int) -> Form:
    """Draw a spot three to five pixels across (in a 128-pixel image) with one plain colour."""
    down, right = offsets(_point(rng, size, 4), size)
    square = int(rng.choice((2, 4, 5))) * max(1, size // REFERENCE_SIZE) ** 2
    return Form(down**2 + right**2 <= square, np.zeros((size, size), dtype=np.int64))


FORMS: Final[tuple[tuple[Callable[[np.random.Generator, int], Form], int, int], ...]] = (
    (blob, 1, 2),
    (disc, 1, 4),
    (box, 2, 4),
    (wire, 1, 2),
    (dot, 2, 5),
)
"""Per object class, in the order of its label: how it is drawn, the fewest and the most of it in one image."""
