"""Cells that are counted, not trained: what a training split holds, by class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from litseg.cli.data.verbs import compose_config
from litseg.cli.errors import user_mistakes
from litseg.cli.wiring.source import build_source
from litseg.data.frequencies import class_weights
from litseg.data.scan import SplitScan, scan
from litseg.data.source import Source


def statistic(name: str, words: Sequence[str], arguments: Mapping[str, Any]) -> dict[str, float]:
    """By class name, and `void`.

    Args:
        name: class_weights (arguments as of `loss.class_weights`), class_pixels or class_images (that hold the class).
        words: of train.py, which choose the data.
        arguments: of the statistic.
    """
    with user_mistakes():
        source = build_source(compose_config(words))
        found = scan(source, "train")
        if found is None:
            raise ValueError("data: the train split is empty; check data.root")
        values = _values(name, source, found, dict(arguments))
    return dict(zip((*source.class_names, "void"), (float(value) for value in values), strict=False))


def _values(name: str, source: Source, found: SplitScan, arguments: dict[str, Any]) -> Sequence[float]:
    if name == "class_pixels":
        return [float(count) for count in found.pixels.sum(axis=0)]
    if name == "class_images":
        return [float(count) for count in (found.pixels > 0).sum(axis=0)]
    weights = class_weights(arguments, found, source.task)
    return [*weights, _void_weight(found, weights)] if arguments["method"] == "median_frequency" else weights


def _void_weight(found: SplitScan, weights: Sequence[float]) -> float:
    """What void would weigh by the same rule: f(c) w(c) is the median frequency, for any class."""
    frequency = found.pixels.sum(axis=0) / np.maximum(found.sizes.prod(axis=1) @ (found.pixels > 0), 1)
    return float(frequency[0] * weights[0] / frequency[-1]) if frequency[-1] else float("nan")
