"""Finished blocks of probabilities become files of labels and of probabilities."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from litseg.inference.sliding_window import Block
from litseg.inference.whole_image import labels_of
from litseg.labels import Task

SCALE: Final = 65535
"""A stored probability of 1."""
ROWS: Final = 64


class Canvas(Protocol):
    """An image file that is being made."""

    def put(self, top: int, left: int, values: NDArray[Any]) -> None:
        """Takes a block (bands, h, w)."""


def paint(
    blocks: Iterable[Block],
    task: Task,
    labels: Canvas,
    probabilities: Canvas | None = None,
    advance: Callable[[int], object] | None = None,
) -> None:
    """Puts blocks on canvases as they come, so that no more than one of them is in memory.

    Args:
        blocks: see `sliding_blocks`.
        task: see `litseg.labels.Task`.
        labels: one band of labels, in multilabel a band of 0 and 1 per class.
        probabilities: a band per channel, 16 bits: `SCALE` is 1; None: they are not wanted.
        advance: is told how many pixels are done.
    """
    for top, left, part in _thinner(blocks):
        found = labels_of(part, task).cpu().numpy()
        labels.put(top, left, found if found.ndim == 3 else found[None])
        if probabilities is not None:
            probabilities.put(top, left, sixteen_bits(part))
        if advance is not None:
            advance(part[0].numel())


def _thinner(blocks: Iterable[Block]) -> Iterator[Block]:
    """Some rows at a time: what is computed of a block would take as much memory again."""
    for top, left, part in blocks:
        for first in range(0, part.shape[1], ROWS):
            yield Block(top + first, left, part[:, first : first + ROWS])


def sixteen_bits(probabilities: Tensor) -> NDArray[Any]:
    """Probabilities as they are stored: 0 to `SCALE`, rounded."""
    return (probabilities * SCALE).round().int().cpu().numpy().astype(np.uint16)
