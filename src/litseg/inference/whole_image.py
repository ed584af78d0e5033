"""From images to probabilities, in one pass of the network over whole images or windows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from litseg.labels import Task

Predict = Callable[[Tensor], Tensor]
"""Raw images (N, C, H, W) on any device to probabilities, float32 (N, channels, H, W) on the network's."""

HALF: Final = 0.5
"""The probability above which a binary or multilabel pixel is of the class: that of the logit 0."""


def predictor(forward: Callable[[Tensor], Tensor], task: Task, device: torch.device | str = "cpu") -> Predict:
    """What predicts with a network: probabilities by softmax (multiclass) or sigmoid, in float32.

    Args:
        forward: raw images (N, C, H, W) to logits, such as a `SegmentationModel` in evaluation mode.
        task: see `litseg.labels.Task`.
        device: where it takes images.

    Raises:
        ValueError: a model in training mode.
    """
    if isinstance(forward, nn.Module) and forward.training:
        raise ValueError("expected a model in evaluation mode, got one that trains; call model.eval()")

    @torch.inference_mode()
    def predict(images: Tensor) -> Tensor:
        images = images.to(device, non_blocking=True)
        # 16-bit tensors of torch can hardly do more than be converted; the model subtracts its mean in float32 anyway
        logits = forward(images.float() if images.dtype == torch.uint16 else images).float()
        return logits.softmax(dim=1) if task == "multiclass" else logits.sigmoid()

    return predict


def predict_images(predict: Predict, images: Sequence[Tensor], batch: int = 4) -> list[Tensor]:
    """Probabilities of images of any sizes.

    Those of one size go through the network together; none is padded to another's size.

    Args:
        predict: see `predictor` and `averaged_over_views`.
        images: each (C, H, W), in its raw range.
        batch: how many of one size go at once.

    Returns:
        (channels, H, W) of each, in the order of the images.
    """
    alike: dict[torch.Size, list[int]] = {}
    for index, image in enumerate(images):
        alike.setdefault(image.shape, []).append(index)
    found: dict[int, Tensor] = {}
    for indices in alike.values():
        for first in range(0, len(indices), batch):
            some = indices[first : first + batch]
            found.update(zip(some, predict(torch.stack([images[index] for index in some])), strict=True))
    return [found[index] for index in range(len(images))]


def labels_of(probabilities: Tensor, task: Task) -> Tensor:
    """Labels of probabilities (channels, H, W): uint8 (H, W), in multilabel 0 or 1 (C, H, W)."""
    if task == "multiclass":
        return probabilities.argmax(dim=0).to(torch.uint8)
    return (probabilities > HALF).to(torch.uint8)[0 if task == "binary" else slice(None)]


def enlarged(probabilities: Tensor, size: tuple[int, int], rows: int = 256) -> Iterator[tuple[int, Tensor]]:
    """Probabilities (C, h, w) in another size (bilinear), some rows at a time: all at once may not fit in memory.

    Args:
        probabilities: of a resized image.
        size: height and width that are wanted.
        rows: how many at a time.

    Yields:
        The first row, and the probabilities (C, rows, W).
    """
    height = probabilities.shape[1]
    places = ((torch.arange(size[0]) + 0.5) * height / size[0] - 0.5).clamp(0, height - 1)
    above, share = places.floor().long(), places.frac()[:, None].to(probabilities.device)
    below = (above + 1).clamp(max=height - 1)
    for top in range(0, size[0], rows):
        some = slice(top, top + rows)
        mixed = torch.lerp(probabilities[:, above[some]], probabilities[:, below[some]], share[some])
        yield top, F.interpolate(mixed[None], (mixed.shape[1], size[1]), mode="bilinear")[0]
