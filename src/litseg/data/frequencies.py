"""Class weights from the pixels of the training split."""

import numpy as np

from litseg.data.scan import SplitScan

METHODS = ("median_frequency",)


def class_weights(method: str, scan: SplitScan) -> list[float]:
    """One weight per class.

    Args:
        method: `median_frequency` (Eigen and Fergus, ICCV 2015, section 6.3.2): w(c) = median(f) / f(c), where f(c) is
            pixels of c / all pixels, void included, of the images that hold c; the median is over the classes.
        scan: the training split.

    Returns:
        C weights; 0 for a class that no image holds, which no pixel then asks for.

    Raises:
        ValueError: an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"class_weights: expected a list of numbers or one of {list(METHODS)}, got {method!r}")
    pixels, image_pixels = scan.pixels[:, :-1], scan.sizes.prod(axis=1)
    in_holding_images = image_pixels @ (pixels > 0)
    frequency = pixels.sum(axis=0) / np.maximum(in_holding_images, 1)
    present = frequency > 0
    weights = np.zeros(len(frequency))
    weights[present] = np.median(frequency[present]) / frequency[present]
    return [float(weight) for weight in weights]
