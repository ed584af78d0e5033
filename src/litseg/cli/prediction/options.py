"""What the words of `litseg predict` say of how images are predicted."""

from dataclasses import dataclass
from typing import Any

import yaml

from litseg.cli.errors import UserError, user_mistakes
from litseg.cli.words import chosen, number
from litseg.inference import View, Windows

WHOLE, WINDOW = 2**22, 512
"""Pixels up to which an image is predicted at once, and the side of a window above."""


@dataclass(frozen=True)
class Options:
    """What the command line says, except where things are.

    window: a side; 0: the whole image; None: by size. views: of test-time augmentation.
    """

    probabilities: bool
    overlays: bool
    window: int | None
    overlap: float
    blending: Any
    batch: int
    views: list[View]
    anew: bool

    def windows(self, size: tuple[int, int], largest: int | None) -> Windows:
        """For an image of this size and a network that takes images of at most `largest` pixels a side."""
        side = self.window or None
        if self.window is None and (size[0] * size[1] > WHOLE or max(size) > (largest or max(size))):
            side = min(WINDOW, largest or WINDOW)
        return Windows(side, self.overlap, self.blending, self.batch)


def read_options(given: dict[str, Any]) -> Options:
    """The options of the command line.

    Args:
        given: as they were written, or their defaults.

    Raises:
        UserError: a value that is none.
    """
    window = {"auto": None, "whole": 0}.get(given["window"])
    if given["window"] not in ("auto", "whole"):
        window = number("predict", "window", given["window"])
    try:
        overlap, views = float(given["overlap"]), yaml.safe_load(given["tta"]) or []
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(f"litseg predict: overlap and tta: expected such as 0.25 and [hflip,0.75]: {error}") from error
    found = Options(
        _switch(given, "probabilities"), _switch(given, "overlays"), window, overlap, given["blending"],
        number("predict", "batch", given["batch"]), views if isinstance(views, list) else [views],
        not _switch(given, "continue"),
    )  # fmt: skip
    with user_mistakes():
        found.windows((1, 1), None)
    return found


def _switch(given: dict[str, Any], key: str) -> bool:
    return chosen("predict", key, given[key], ("true", "false")) == "true"


def needed(given: dict[str, Any], key: str) -> str:
    """An option without a default."""
    if not given[key]:
        raise UserError(f"litseg predict: expected {key}=...; see litseg predict --help")
    return str(given[key])
