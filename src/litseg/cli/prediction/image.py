"""One image file: opened, predicted, written."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from litseg.cli.load_run import LoadedRun
from litseg.cli.prediction.files import PngCanvas, write_overlay
from litseg.cli.prediction.images import Job, Opened, open_image
from litseg.cli.prediction.options import Options
from litseg.data.source import resized
from litseg.inference import Block, TiffCanvas, enlarged, paint, sliding_blocks, sliding_window
from litseg.inference.whole_image import Predict


@dataclass(frozen=True)
class ImagePredictor:
    """What predicts an image file and writes what is wanted of it.

    Attributes:
        run: whose network it is.
        predict: images to probabilities.
        options: what is wanted, and how.
    """

    run: LoadedRun
    predict: Predict
    options: Options

    def __call__(self, job: Job, advance: Callable[[int, int], object] | None = None) -> None:
        """Predicts an image; its files are whole or absent, the labels come last.

        Args:
            job: the image, and where its files go.
            advance: is told how many pixels there are, and how many more are done.

        Raises:
            ValueError: the image is damaged, or of another kind than those of the training.
            OSError: a file cannot be written.
        """
        reach = self.options.windows((2**20, 2**20), self._largest).size or 2**20
        with open_image(job.image, self.run.facts, reach) as image, ExitStack() as stack:
            job.stem.parent.mkdir(parents=True, exist_ok=True)
            labels = self._canvas(job, image, stack)
            shares = None
            if self.options.probabilities:
                canvas = TiffCanvas(job.probabilities, self.run.facts.output_channels, image.size, np.uint16)
                shares = stack.enter_context(canvas)
            told = None if advance is None else partial(advance, math.prod(image.size))
            paint(self._blocks(image), self.run.facts.task, labels, shares, told)
            self._finish(job, image, labels, shares)

    @property
    def _largest(self) -> int | None:
        return self.run.model.maximum_size

    def _canvas(self, job: Job, image: Opened, stack: ExitStack) -> PngCanvas | TiffCanvas:
        png, tiff = job.label_files()
        facts = self.run.facts
        if image.as_tiff or facts.task == "multilabel":
            bands = facts.output_channels if facts.task == "multilabel" else 1
            return stack.enter_context(TiffCanvas(tiff, bands, image.size, np.uint8))
        return PngCanvas(png, image.size)

    def _finish(
        self, job: Job, image: Opened, labels: PngCanvas | TiffCanvas, probabilities: TiffCanvas | None
    ) -> None:
        facts = self.run.facts
        if self.options.overlays:
            write_overlay(image, labels, facts.palette, job.overlay)
        if probabilities is not None:
            names = facts.class_names[1:] if facts.task == "binary" else facts.class_names
            probabilities.finish(image.geo_tags, description=f"probabilities, 65535 is 1: {', '.join(names)}")
        if isinstance(labels, PngCanvas):
            labels.finish(facts.palette)
            return
        text = ", ".join(f"{label} {name}" for label, name in enumerate(facts.class_names))
        labels.finish(image.geo_tags, None if facts.task == "multilabel" else facts.palette, f"labels: {text}")

    def _blocks(self, image: Opened) -> Iterator[Block]:
        """In the image's own size, even where the training has resized its images."""
        size = self.run.config.data.get("resize")
        channels = self.run.facts.output_channels
        if size is None:
            windows = self.options.windows(image.size, self._largest)
            yield from sliding_blocks(self.predict, image.read, image.size, channels, windows)
            return
        shrunk = _resized(image.read(0, 0, *image.size), (int(size[0]), int(size[1])))
        windows = self.options.windows((shrunk.shape[1], shrunk.shape[2]), self._largest)
        for top, part in enlarged(sliding_window(self.predict, shrunk, channels, windows), image.size):
            yield Block(top, 0, part)


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """As the data set of the training has done it."""
    pixels = resized(np.ascontiguousarray(image.permute(1, 2, 0).numpy()), size)
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1)))
