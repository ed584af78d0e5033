"""A TIFF in, a label TIFF out: memory depends on window and classes, not on the size of the image."""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from litseg.inference.sliding_window import Windows, sliding_blocks
from litseg.inference.tiff_canvas import TiffCanvas
from litseg.inference.tiff_regions import TiffRegions
from litseg.inference.whole_image import Predict, labels_of
from litseg.labels import Task

SCALE = 65535
"""A stored probability of 1."""


def predict_tiff(
    predict: Predict,
    image: TiffRegions,
    labels: Path,
    task: Task,
    class_names: Sequence[str],
    palette: Sequence[Sequence[int]],
    windows: Windows,
    probabilities: Path | None = None,
    advance: Callable[[float], None] = lambda share: None,
) -> None:
    """Predicts a large image in windows; files are whole or absent.

    Args:
        predict: see `predictor` and `averaged_over_views`.
        image: open.
        labels: the label TIFF to be written: one band with the palette, in multilabel a band of 0 and 1 per class.
        task: see `litseg.labels.Task`.
        class_names: by label.
        palette: RGB by label.
        windows: how.
        probabilities: a TIFF of 16-bit probabilities to be written, `SCALE` being 1, a band per channel; None: none.
        advance: is told which share of the image a finished block is.

    Raises:
        ValueError: the image is damaged.
        OSError: a file cannot be written.
    """
    channels = 1 if task == "binary" else len(class_names)
    bands = channels if task == "multilabel" else 1
    with ExitStack() as stack:
        canvas = stack.enter_context(TiffCanvas(labels, bands, image.size, np.uint8))
        shares = None
        if probabilities is not None:
            shares = stack.enter_context(TiffCanvas(probabilities, channels, image.size, np.uint16))
        for top, left, part in sliding_blocks(predict, image.read, image.size, channels, windows):
            found = labels_of(part, task).cpu().numpy()
            canvas.put(top, left, found if found.ndim == 3 else found[None])
            if shares is not None:
                shares.put(top, left, sixteen_bits(part))
            advance(part[0].numel() / math.prod(image.size))
        if shares is not None:
            shares.finish(image.geo_tags, description=probability_text(task, class_names))
        names = ", ".join(f"{label} {name}" for label, name in enumerate(class_names))
        canvas.finish(image.geo_tags, None if task == "multilabel" else palette, f"labels: {names}")


def sixteen_bits(probabilities: Tensor) -> NDArray[Any]:
    """Probabilities as they are stored: 0 to `SCALE`, rounded."""
    return (probabilities * SCALE).round().int().cpu().numpy().astype(np.uint16)


def probability_text(task: Task, class_names: Sequence[str]) -> str:
    """What the bands of a probability TIFF are."""
    names = class_names[1:] if task == "binary" else class_names
    return f"probabilities, {SCALE} is 1: {', '.join(names)}"
