"""Class weights from the pixels of the training split."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from litseg.data.scan import SplitScan
from litseg.labels import Task

Weights = NDArray[np.float64]


def median_frequency(scan: SplitScan, median_over: str = "classes") -> Weights:
    """w(c) = median(f) / f(c), f(c) = pixels of c / all pixels, void included, of the images that hold c.

    Source: Eigen and Fergus, ICCV 2015, section 6.3.2. SegNet's weights for CamVid count void as a class in the median.

    Args:
        scan: a split in which every class has a pixel.
        median_over: `classes` or `classes_and_void`.

    Raises:
        ValueError: another `median_over`.
    """
    if median_over not in ("classes", "classes_and_void"):
        raise ValueError(f"class_weights.median_over: expected classes or classes_and_void, got {median_over!r}")
    in_holding_images = scan.sizes.prod(axis=1) @ (scan.pixels > 0)
    frequency = scan.pixels.sum(axis=0) / np.maximum(in_holding_images, 1)
    counted = frequency if median_over == "classes_and_void" else frequency[:-1]
    return np.asarray(np.median(counted[counted > 0]) / frequency[:-1])


def effective_number(scan: SplitScan, beta: float | None = None) -> Weights:
    """w(c) proportional to (1 - beta) / (1 - beta^n(c)), n(c) the pixels of c; the mean of the weights is 1.

    Source: Cui et al., CVPR 2019, equations 2 and 5: 1 / (1 - beta) is how many distinct samples a class can have at
    most. The paper counts images and takes beta up to 0.9999; with n in pixels that is 10 000 pixels, which nearly
    every class exceeds, and all weights would be the same. So the default takes the mean number of pixels of a class:
    classes far below it weigh as the inverse frequency, classes above it hardly differ, and image size cancels.

    Args:
        scan: a split in which every class has a pixel.
        beta: from 0 (all weigh the same) to below 1 (inverse frequency); None: 1 - 1 / mean(n).

    Raises:
        ValueError: `beta` outside [0, 1).
    """
    pixels = scan.pixels[:, :-1].sum(axis=0)
    if beta is None:
        beta = 1.0 - 1.0 / float(pixels.mean())
    if not isinstance(beta, int | float) or not 0 <= beta < 1:
        raise ValueError(f"class_weights.beta: expected null or a number from 0 to below 1, got {beta!r}")
    return _mean_one((1.0 - beta) / (1.0 - np.power(beta, pixels, dtype=np.float64)))


def enet(scan: SplitScan, constant: float = 1.02) -> Weights:
    """w(c) = 1 / ln(constant + p(c)), p(c) = pixels of c / valid pixels; Paszke et al., 2016, arXiv 1606.02147.

    Args:
        scan: a split in which every class has a pixel.
        constant: bounds the weights; 1.02 keeps them between 1.4 and 50.5.

    Raises:
        ValueError: `constant` below 1.
    """
    if not isinstance(constant, int | float) or not 1 <= constant < np.inf:
        raise ValueError(f"class_weights.constant: expected a number from 1 on, got {constant!r}")
    return np.asarray(1.0 / np.log(constant + _shares(scan)))


def inverse_frequency(scan: SplitScan) -> Weights:
    """w(c) proportional to 1 / p(c), p(c) = pixels of c / valid pixels; the mean of the weights is 1."""
    return _mean_one(1.0 / _shares(scan))


METHODS: Final[dict[str, Callable[..., Weights]]] = {
    method.__name__: method for method in (median_frequency, effective_number, enet, inverse_frequency)
}


def class_weights(setting: str | Mapping[str, Any], scan: SplitScan, task: Task) -> list[float]:
    """One weight per class, the vector that `class_weights` of a loss takes.

    Binary: [background, foreground]. Multilabel: one per class from its positive pixels, for its yes and its no alike;
    p(c) is then the share of all positive entries.

    Args:
        setting: a method, or {method: ..., parameter: ...}: `median_frequency` (`median_over`), `effective_number`
            (`beta`), `enet` (`constant`) or `inverse_frequency`.
        scan: the training split.
        task: of the data set.

    Returns:
        C weights; 0 for a class that no image holds: no pixel asks for it, and no mean or median counts it.

    Raises:
        ValueError: an unknown method or parameter, a wrong value, or a split without a pixel of any class.
    """
    method, options = _parse(setting, task)
    held = np.asarray(scan.pixels[:, :-1].any(axis=0))
    if not held.any():
        raise ValueError("class_weights: expected a training split with a pixel of some class, got none")
    weights = np.zeros(len(held))
    weights[held] = METHODS[method](replace(scan, pixels=scan.pixels[:, np.append(held, True)]), **options)
    return [float(weight) for weight in weights]


def _parse(setting: str | Mapping[str, Any], task: Task) -> tuple[str, dict[str, Any]]:
    options = {"method": setting} if isinstance(setting, str) else dict(setting)
    method = options.pop("method", None)
    if not isinstance(method, str) or method not in METHODS:
        expected = f"a list of numbers, or as method one of {list(METHODS)}"
        raise ValueError(f"class_weights: expected {expected}, got {method!r}")
    known = list(inspect.signature(METHODS[method]).parameters)[1:]
    if unknown := [name for name in options if name not in known]:
        raise ValueError(f"class_weights: expected of {method} no other parameter than {known}, got {unknown}")
    if task == "multilabel" and options.get("median_over") == "classes_and_void":
        raise ValueError("class_weights.median_over: expected classes in a multilabel task, got classes_and_void")
    return method, options


def _shares(scan: SplitScan) -> Weights:
    pixels = scan.pixels[:, :-1].sum(axis=0)
    return np.asarray(pixels / pixels.sum())


def _mean_one(weights: Weights) -> Weights:
    return np.asarray(weights / weights.mean())
