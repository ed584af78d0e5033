"""Figures at the end of a run: the confusion matrix as a file, and with the prediction pictures in the loggers."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from litseg.training.background_logger import BackgroundLogger

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)
MOST_NUMBERS = 30
"""Classes up to which the cells carry their numbers."""
OF_A_LABEL = ("absent, right", "absent, wrong", "present, missed", "present, found")


class Figures(Callback):
    """Writes `figures/confusion_matrix.png`, and sends it and `predictions/*.png` to W&B, TensorBoard and MLflow.

    Args:
        folder: the run folder.
        class_names: names by label.
        split: whose figures: `test`, or `val` where a data set has no test split.
    """

    def __init__(self, folder: Path, class_names: tuple[str, ...], split: str = "test") -> None:
        self.folder, self.class_names, self.split = folder, class_names, split

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the test matrix; the module, whose turn comes afterwards, sets it to zero."""
        if self.split == "test":
            self._draw(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the validation matrix, in the final evaluation of the best checkpoint only."""
        if self.split == "val" and trainer.state.fn == "validate":
            self._draw(trainer, pl_module)

    def _draw(self, trainer: Trainer, module: Any) -> None:
        counted = module.metrics[f"{self.split}_metrics"].confusion.clone()
        matrix = trainer.strategy.reduce(counted, reduce_op="sum").cpu()  # every rank has a part
        if not trainer.is_global_zero:
            return
        path = self.folder / "figures" / "confusion_matrix.png"
        try:
            path.parent.mkdir(exist_ok=True)
            confusion_figure(matrix, self.class_names).savefig(path, dpi=120, bbox_inches="tight")
        except OSError as error:  # the scores matter more
            log.warning("cannot write %s (%s)", path, error)
            return
        drawn = sorted((self.folder / "predictions").glob("*.png"))
        pictures = {f"{self.split}/predictions/{each.stem}": each for each in drawn}
        pictures[f"{self.split}/confusion_matrix"] = path
        for logger in trainer.loggers:
            if isinstance(logger, BackgroundLogger):
                for name, picture in pictures.items():
                    logger.log_picture(name, picture, trainer.global_step)


def confusion_figure(matrix: Tensor, class_names: tuple[str, ...]) -> "Figure":
    """Shares of each true class, in percent.

    Args:
        matrix: pixels (C, C), rows truth; multilabel (C, 2, 2).
        class_names: names by label.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure  # not pyplot: it would keep the figure, and look for a screen

    shares = 100 * matrix / matrix.sum(dim=-1, keepdim=True)  # NaN for a class without a pixel: left white
    shares = shares.reshape(len(class_names), -1)
    columns = class_names if matrix.ndim == 2 else OF_A_LABEL
    figure = Figure(figsize=(2 + 0.45 * len(columns), 1.6 + 0.45 * len(class_names)))
    axes = figure.add_subplot()
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(columns)), [_plain(name) for name in columns], rotation=90)
    axes.set_yticks(range(len(class_names)), [_plain(name) for name in class_names])
    axes.set(xlabel="prediction, percent of the truth", ylabel="truth")
    if len(class_names) <= MOST_NUMBERS:
        for row, column in torch.isfinite(shares).nonzero().tolist():
            value = shares[row, column].item()
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color="white" if value > 55 else "black")
    return figure


def _plain(name: str) -> str:
    """A dollar sign begins a formula in matplotlib."""
    return name.replace("$", r"\$")
