"""Evaluation of whole images by sliding windows, as papers do whose networks are trained on crops."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from litseg.cli.errors import UserError
from litseg.cli.wiring.forward import Forward
from litseg.cli.words import chosen, number
from litseg.inference import Windows, predictor, sliding_window
from litseg.labels import Task

AVERAGES = ("probabilities", "logits")
SMALLEST = 1e-12
"""Of averaged probabilities: their logarithms stay finite."""


@dataclass(frozen=True)
class EvaluationWindows:
    """How images are cut into windows, and what of overlapping windows is averaged.

    Attributes:
        windows: size, overlap and blending, and how many go through the network at once.
        average: "probabilities", as `litseg predict` does, or "logits", as mmsegmentation does.
    """

    windows: Windows
    average: str

    def record(self) -> dict[str, Any]:
        """What result.json says of it."""
        size = self.windows.size
        assert size is not None
        return {
            "size": size,
            "stride": max(1, round(size * (1 - self.windows.overlap))),
            "blending": self.windows.blending,
            "average": self.average,
        }

    def over(self, forward: Forward, task: Task, channels: int) -> Callable[[Tensor], Tensor]:
        """Raw images (N, C, H, W) to logits (N, channels, H, W); of averaged probabilities, log p or their log odds."""
        predict = forward if self.average == "logits" else predictor(forward, task, forward.device)

        @torch.inference_mode()
        def predicted(images: Tensor) -> Tensor:
            averaged = torch.stack([sliding_window(predict, image, channels, self.windows) for image in images])
            if self.average == "logits":
                return averaged
            return averaged.clamp(min=SMALLEST).log() if task == "multiclass" else averaged.logit(eps=1e-7)

        return predicted


def read_windows(options: dict[str, str | None], batch: int) -> EvaluationWindows | None:
    """What the options window, stride, overlap, blending and average say; None: images go whole.

    Args:
        options: as they were written; None where they were not.
        batch: windows that go through the network at once.

    Raises:
        UserError: a value out of range, or one of the others without a window.
    """
    given = {name: options[name] for name in ("stride", "overlap", "blending", "average") if options[name] is not None}
    if options["window"] is None:
        if given:
            raise UserError(f"litseg evaluate: {next(iter(given))} is of windows; give their side, such as window=128")
        return None
    size = number("evaluate", "window", options["window"])
    average = chosen("evaluate", "average", given.get("average", AVERAGES[0]), AVERAGES)
    blending: Any = given.get("blending", "gaussian")
    try:
        return EvaluationWindows(Windows(size, _overlap(size, given), blending, batch), average)
    except ValueError as error:
        raise UserError(f"litseg evaluate: {error}") from error


def _overlap(size: int, given: dict[str, str | None]) -> float:
    if "stride" not in given:
        overlap = given.get("overlap") or "0.25"
        try:
            return float(overlap)
        except ValueError as error:
            raise UserError(f"litseg evaluate: overlap: expected a share such as 0.25, got {overlap}") from error
    if "overlap" in given:
        raise UserError("litseg evaluate: expected stride= or overlap=, got both; they say the same")
    stride = number("evaluate", "stride", given["stride"])
    if stride > size:
        raise UserError(f"litseg evaluate: stride: expected 1 to window={size}, or pixels are left out, got {stride}")
    return 1 - stride / size
