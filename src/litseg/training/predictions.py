"""Pictures of what the network makes of test images: image, truth, prediction, error."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from litseg.labels import IGNORE_INDEX, Task

log = logging.getLogger(__name__)
Array = NDArray[np.uint8]
PANELS = ("image", "truth", "prediction", "error")
MARGIN, HEADER, LEGEND = 6, 18, 20
WRONG, RIGHT, VOID = (220, 50, 47), (235, 235, 235), (255, 255, 255)


class PredictionPictures(Callback):
    """Writes `predictions/<id>.png` for the first test samples.

    Args:
        folder: the run folder's `predictions`.
        class_names: names by label.
        palette: uint8 (C, 3) RGB.
        task: in multilabel the first class that is present at a pixel gives its colour.
        count: how many samples.
        split: whose samples: `test`, or `val` where a data set has no test split.
        opacity: of the colours over the image, 0 to 1.
    """

    def __init__(
        self,
        folder: Path,
        class_names: tuple[str, ...],
        palette: Array,
        task: Task,
        count: int = 8,
        split: str = "test",
        opacity: float = 0.6,
    ) -> None:
        self.folder, self.class_names, self.palette = folder, class_names, palette
        self.task, self.count, self.opacity = task, count, opacity
        self.split, self.written = split, 0

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draws the first test samples."""
        if self.split == "test":
            self._write(trainer, pl_module, batch)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draws the first validation samples, in the final evaluation of the best checkpoint only."""
        if self.split == "val" and trainer.state.fn == "validate":
            self._write(trainer, pl_module, batch)

    @torch.no_grad()
    def _write(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> None:
        """Predicts the batch's first samples once more: only a few, and a step that returned logits would keep them."""
        wanted = min(self.count - self.written, len(batch["id"]))
        if wanted <= 0 or not trainer.is_global_zero:
            return
        with trainer.precision_plugin.forward_context():
            logits = pl_module(batch["image"][:wanted]).cpu()
        try:
            self._draw(batch, logits)
        except OSError as error:
            log.warning("cannot write pictures to %s (%s); the scores do not need them", self.folder, error)
        self.written += wanted

    def _draw(self, batch: Any, logits: Tensor) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for index in range(len(logits)):
            truth, prediction = (
                self._labels(batch["mask"][index].cpu()),
                self._labels(predicted(logits[index], self.task)),
            )
            image = batch["image"][index].permute(1, 2, 0).cpu().numpy()
            picture = draw_panels(image, truth, prediction, self.class_names, self.palette, self.opacity)
            picture.save(self.folder / f"{batch['id'][index]}.png")

    def _labels(self, mask: Tensor) -> Array:
        """One label a pixel for the picture: (H, W); `len(class_names)` where no class of a multilabel mask is."""
        if self.task != "multilabel":
            return mask.numpy().astype(np.uint8)
        present = mask.numpy() == 1
        labels = np.where(present.any(axis=0), present.argmax(axis=0), len(self.class_names))
        return np.where((mask.numpy() == IGNORE_INDEX).all(axis=0), IGNORE_INDEX, labels).astype(np.uint8)


def predicted(logits: Tensor, task: Task) -> Tensor:
    """Labels uint8 (H, W), or in multilabel (C, H, W), of the logits (C, H, W) of one image."""
    if task == "multiclass":
        return logits.argmax(dim=0).to(torch.uint8)
    return (logits > 0).to(torch.uint8) if task == "multilabel" else (logits[0] > 0).to(torch.uint8)


def draw_panels(
    image: Array, truth: Array, prediction: Array, class_names: tuple[str, ...], palette: Array, opacity: float = 0.6
) -> Image.Image:
    """Four panels in a row under their titles, and the legend of the classes.

    Args:
        image: (H, W, 3) RGB, or other channels, of which the first three (or the first) are shown.
        truth: labels (H, W), void 255, shown white.
        prediction: labels (H, W).
        class_names: names by label.
        palette: RGB by label.
        opacity: of the colours over the image.
    """
    rgb = eight_bits(image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1))
    colours = np.full((256, 3), VOID, dtype=np.uint8)
    colours[: len(palette)] = palette
    if len(palette) < IGNORE_INDEX:
        colours[len(palette)] = (0, 0, 0)  # in multilabel: no class
    valid = truth != IGNORE_INDEX
    error = np.where((truth == prediction)[..., None], RIGHT, WRONG)
    panels = [
        rgb,
        _blend(rgb, colours[truth], opacity),
        _blend(rgb, colours[prediction], opacity),
        np.where(valid[..., None], error, VOID),
    ]
    return _compose(panels, class_names, palette)


def eight_bits(image: Array) -> Array:
    """An image (H, W, 3) of any depth as uint8: what is not uint8 already is stretched, each channel on its own.

    From the 2nd to the 98th percentile, since single bright pixels would leave the rest black.
    """
    if image.dtype == np.uint8:
        return image
    low, high = np.nanpercentile(image, (2, 98), axis=(0, 1))
    stretched = (image - low) / np.where(high > low, high - low, 1)
    return np.asarray(np.nan_to_num(stretched).clip(0, 1) * 255, dtype=np.uint8)


def _blend(image: Array, colours: Array, opacity: float) -> Array:
    return np.asarray((1 - opacity) * image + opacity * colours, dtype=np.uint8)


def _compose(panels: list[Any], class_names: tuple[str, ...], palette: Array) -> Image.Image:
    scale = -(-224 // max(panels[0].shape[:2]))  # tiny images are enlarged, or nobody sees a thing
    height, width = (side * scale for side in panels[0].shape[:2])
    total = (width + MARGIN) * len(panels) + MARGIN
    entries = [(name, tuple(map(int, colour))) for name, colour in zip(class_names, palette, strict=True)]
    rows = _legend_rows([*entries, ("wrong", WRONG), ("right", RIGHT)], total)
    canvas = Image.new("RGB", (total, HEADER + height + MARGIN + LEGEND * len(rows)), "white")
    pen = ImageDraw.Draw(canvas)
    for index, (title, panel) in enumerate(zip(PANELS, panels, strict=True)):
        left = MARGIN + index * (width + MARGIN)
        pen.text((left, 3), title, fill="black")
        tile = Image.fromarray(panel.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
        canvas.paste(tile, (left, HEADER))
    for number, row in enumerate(rows):
        _draw_legend(pen, row, HEADER + height + MARGIN + number * LEGEND)
    return canvas


def _entry_width(name: str) -> int:
    return 26 + 7 * len(name)


def _legend_rows(entries: list[tuple[str, Any]], width: int) -> list[list[tuple[str, Any]]]:
    rows: list[list[tuple[str, Any]]] = [[]]
    for entry in entries:
        if rows[-1] and MARGIN + sum(_entry_width(name) for name, _ in [*rows[-1], entry]) > width:
            rows.append([])
        rows[-1].append(entry)
    return rows


def _draw_legend(pen: ImageDraw.ImageDraw, row: list[tuple[str, Any]], top: int) -> None:
    left = MARGIN
    for name, colour in row:
        pen.rectangle((left, top + 3, left + 12, top + 15), fill=colour, outline="gray")
        pen.text((left + 17, top + 3), name, fill="black")
        left += _entry_width(name)
