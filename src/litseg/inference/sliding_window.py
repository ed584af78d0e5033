"""Images of any size in overlapping windows, blended, in bounded memory.

An image is cut into strips of columns, and each strip is worked from top to bottom: only as many rows as a window has
are kept, and rows that no later window reaches are given out. Windows lie inside the image, so nothing is padded; an
image that is smaller than the window is one window.

The weights of a window are a product of one along rows and one along columns, and so is their sum over the windows of
a grid. Both are divided by that sum beforehand: the weights of all windows at a pixel sum to 1, and no sum is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from litseg.inference.whole_image import Predict

Blending = Literal["gaussian", "uniform"]
Read = Callable[[int, int, int, int], Tensor]
"""Reads a region: top, left, height, width to (C, height, width) in the image's raw range."""

SIGMA = 1 / 8
"""Of the Gaussian, in windows, as nnU-Net and MONAI have it."""


@dataclass(frozen=True)
class Windows:
    """How an image is cut into windows and put together.

    Attributes:
        size: the side of a window in pixels; None: the whole image is one.
        overlap: of neighbouring windows, as a share of the side, 0 up to below 1.
        blending: "gaussian" trusts a window less the farther from its centre, "uniform" everywhere alike.
        batch: windows that go through the network at once.
        memory: bytes that the rows being put together may take; more are worked in several strips, whose borders cost
            some windows twice.
        accumulate: where they are put together: on the "model"'s device or on the "cpu".

    Raises:
        ValueError: a number out of range, or an unknown name.
    """

    size: int | None = 512
    overlap: float = 0.25
    blending: Blending = "gaussian"
    batch: int = 1
    memory: int = 192 * 2**20
    accumulate: Literal["model", "cpu"] = "model"

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"window: expected a side of at least 1 pixel, got {self.size}")
        if not 0 <= self.overlap < 1:
            raise ValueError(f"overlap: expected a share of the window from 0 up to below 1, got {self.overlap}")
        if self.blending not in get_args(Blending):
            raise ValueError(f"blending: expected one of {', '.join(get_args(Blending))}, got {self.blending!r}")
        if self.batch < 1:
            raise ValueError(f"batch: expected at least 1 window, got {self.batch}")
        if self.accumulate not in ("model", "cpu"):
            raise ValueError(f"accumulate: expected model or cpu, got {self.accumulate!r}")


class Block(NamedTuple):
    """A finished part of the image: where it lies, and its probabilities (channels, h, w).

    They are a view that the next block overwrites.
    """

    top: int
    left: int
    probabilities: Tensor


def sliding_window(predict: Predict, image: Tensor, channels: int, windows: Windows) -> Tensor:
    """Probabilities (channels, H, W) of one image (C, H, W), on the CPU or the model's device.

    Args:
        predict: see `predictor` and `averaged_over_views`.
        image: in its raw range.
        channels: of the probabilities.
        windows: how.
    """
    height, width = image.shape[-2:]
    whole: Tensor | None = None
    for top, left, part in sliding_blocks(predict, reader_of(image), (height, width), channels, windows):
        if whole is None:
            whole = torch.empty(channels, height, width, device=part.device)
        whole[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    assert whole is not None  # an image has a pixel
    return whole


def reader_of(image: Tensor) -> Read:
    """Reads regions of an image in memory (C, H, W)."""
    return lambda top, left, height, width: image[:, top : top + height, left : left + width]


def sliding_blocks(
    predict: Predict, read: Read, size: tuple[int, int], channels: int, windows: Windows
) -> Iterator[Block]:
    """Predicts in windows and gives out what is finished, block by block; together they cover each pixel once.

    Args:
        predict: see `predictor` and `averaged_over_views`.
        read: the image.
        size: its height and width.
        channels: of the probabilities.
        windows: how.
    """
    grid = Grid(size, channels, windows)
    band = torch.empty(0)  # one for all strips: whoever holds the last block of a strip would keep a second one alive
    for left, right in grid.strips:
        places = list(product(grid.rows, grid.columns_of(left, right)))
        strip: _Strip | None = None
        for first in range(0, len(places), windows.batch):
            some = places[first : first + windows.batch]
            found = predict(torch.stack([read(*place, grid.height, grid.width) for place in some]))
            found = found.cpu() if windows.accumulate == "cpu" else found
            if len(band) == 0:
                widest = max(last - first for first, last in grid.strips)
                band = torch.empty(channels, grid.height, widest, device=found.device)
            strip = strip or _Strip(grid, left, right, band)
            for (row, column), probabilities in zip(some, found, strict=True):
                if row > strip.top:
                    yield strip.finished(row)
                    strip.advance(row)
                strip.add(row, column, probabilities)
        assert strip is not None  # every strip has a window
        yield strip.finished(size[0])


class Grid:
    """The windows of an image.

    Args:
        size: height and width of the image.
        channels: of the probabilities.
        windows: how.

    Attributes:
        height: of a window; the image's where that is smaller.
        width: likewise.
        rows: where windows begin, from above.
        columns: where they begin, from the left.
        strips: first column and end of each, cut where windows begin.
    """

    def __init__(self, size: tuple[int, int], channels: int, windows: Windows) -> None:
        self.size, self.channels, self.windows = size, channels, windows
        self.height, self.width = (min(windows.size or side, side) for side in size)
        self.rows = window_starts(size[0], self.height, windows.overlap)
        self.columns = window_starts(size[1], self.width, windows.overlap)
        self.strips = _strips(self.columns, size[1], windows.memory // (4 * channels * self.height))

    def columns_of(self, left: int, right: int) -> list[int]:
        """Where the windows begin that reach into a strip."""
        return [column for column in self.columns if column < right and column + self.width > left]

    def __len__(self) -> int:
        """Windows that are predicted; those that reach into two strips count twice."""
        return len(self.rows) * sum(len(self.columns_of(*strip)) for strip in self.strips)


class _Strip:
    """The rows of a strip that are being put together: `height` of them from `top` on."""

    def __init__(self, grid: Grid, left: int, right: int, band: Tensor) -> None:
        self.top, self.left, self.right = 0, left, right
        self.band = band[..., : right - left].zero_()
        overlap, blending = grid.windows.overlap, grid.windows.blending
        down = axis_weights(grid.size[0], grid.height, overlap, blending).to(band.device)
        across = axis_weights(grid.size[1], grid.width, overlap, blending).to(band.device)
        self.down = dict(zip(grid.rows, down, strict=True))
        self.across = dict(zip(grid.columns, across, strict=True))

    def add(self, row: int, column: int, probabilities: Tensor) -> None:
        """Adds what of a window lies in the strip."""
        first, last = max(column, self.left), min(column + probabilities.shape[2], self.right)
        weights = self.down[row][:, None] * self.across[column][first - column : last - column]
        self.band[..., first - self.left : last - self.left].addcmul_(
            probabilities[..., first - column : last - column], weights
        )

    def finished(self, row: int) -> Block:
        """The rows above this one, which no later window reaches."""
        return Block(self.top, self.left, self.band[:, : row - self.top])

    def advance(self, row: int) -> None:
        """Drops the rows above this one and lets empty ones follow, in place: there is no room for a second band."""
        dropped, height = row - self.top, self.band.shape[1]
        for start in range(0, height - dropped, dropped):
            following = self.band[:, start + dropped : start + 2 * dropped]
            self.band[:, start : start + following.shape[1]] = following
        self.band[:, max(height - dropped, 0) :] = 0
        self.top = row


def window_starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along a side: at equal steps, the last one flush with the border."""
    step = max(1, round(window * (1 - overlap)))
    return [min(start, length - window) for start in range(0, length - window + step, step)]


@lru_cache(maxsize=16)
def axis_weights(length: int, window: int, overlap: float, blending: Blending) -> Tensor:
    """Weights of each window along a side, (windows, window) float32; at every pixel they sum to 1."""
    one = torch.ones(window, dtype=torch.float64)
    if blending == "gaussian":
        distance = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
        one = (-0.5 * (distance / (SIGMA * window)) ** 2).exp()
    starts = window_starts(length, window, overlap)
    total = torch.zeros(length, dtype=torch.float64)
    for start in starts:
        total[start : start + window] += one
    return torch.stack([one / total[start : start + window] for start in starts]).float()


def _strips(columns: Sequence[int], width: int, limit: int) -> list[tuple[int, int]]:
    """At most `limit` wide, where a step of the windows allows it."""
    strips: list[tuple[int, int]] = []
    left = 0
    for here, following in zip(columns, [*columns[1:], width], strict=True):
        if here > left and following - left > limit:
            strips.append((left, here))
            left = here
    return [*strips, (left, width)]
