"""Is the embedded data set a problem and not a toy? Measures what the cheap ways to solve it reach.

    python -m tests.benchmarks.shapes_difficulty

Colour alone: the class is told from a pixel's colour by a table of 32 steps per channel, the best of several
reweightings for rare classes, and by a small network on the same three numbers. One epoch: a U-Net from scratch that
has seen every training image once. A bare loop on purpose, so that it says something about the data, not about litseg.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from litseg.data.sets.shapes_drawing import CLASS_NAMES, draw
from litseg.labels import IGNORE_INDEX

CLASSES: Final = len(CLASS_NAMES)
BITS: Final = 5
"""2^5 = 32 steps per colour channel."""

BALANCES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Exponents of the class count that a vote is divided by: 0 is the majority, 1 gives every class the same weight."""

TEST: Final = 64
"""How many test images the ways are compared on."""

Loss = Callable[[Tensor, Tensor], Tensor]
ByteArray = NDArray[np.uint8]
FloatArray = NDArray[np.float64]


def load(split: str, count: int) -> tuple[ByteArray, ByteArray]:
    """Return the split's first images (N, H, W, 3) and masks (N, H, W), as the configuration's data set has them."""
    drawings = [draw(0, split, index) for index in range(count)]
    return np.stack([drawing.image for drawing in drawings]), np.stack([drawing.mask for drawing in drawings])


def intersections_over_unions(predicted: NDArray[np.int64], labels: ByteArray) -> FloatArray:
    """Return each class's IoU over all pixels that have a label."""
    valid = labels != IGNORE_INDEX
    pairs = labels[valid].astype(np.int64) * CLASSES + predicted[valid]
    confusion = np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    hits = confusion.diagonal()
    return np.asarray(hits / np.maximum(confusion.sum(0) + confusion.sum(1) - hits, 1), dtype=np.float64)


def _bins(images: ByteArray) -> NDArray[np.int64]:
    steps = images.astype(np.int64) >> (8 - BITS)
    return np.asarray((steps[..., 0] << 2 * BITS) | (steps[..., 1] << BITS) | steps[..., 2], dtype=np.int64)


def colour_only_ious(train: int, test: int) -> FloatArray:
    """Return the test IoUs of the best colour table: fit on the train pixels, chosen, to its favour, on the test."""
    images, masks = load("train", train)
    valid = masks != IGNORE_INDEX
    votes = np.bincount(_bins(images)[valid] * CLASSES + masks[valid], minlength=CLASSES << 3 * BITS)
    table = votes.reshape(-1, CLASSES)
    images, masks = load("test", test)
    bins, totals = _bins(images), table.sum(axis=0)
    tried = [intersections_over_unions((table / totals**power).argmax(axis=1)[bins], masks) for power in BALANCES]
    return max(tried, key=lambda ious: float(ious.mean()))


def _tensors(split: str, count: int) -> tuple[Tensor, Tensor]:
    images, masks = load(split, count)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return (pixels - 0.45) / 0.225, torch.from_numpy(masks).long()


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the soft Dice loss over the batch, meaned over the classes that are in it."""
    valid = (target != IGNORE_INDEX)[:, None]
    probabilities = logits.softmax(dim=1) * valid
    truth = F.one_hot(target.where(valid[:, 0], torch.zeros_like(target)), CLASSES).permute(0, 3, 1, 2) * valid
    sums = (0, 2, 3)
    sizes = truth.sum(sums)
    scores = 2 * (probabilities * truth).sum(sums) / (probabilities.sum(sums) + sizes)
    return (1 - scores[sizes > 0]).mean()


def balanced_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy weighted against the class counts: with Dice, colour alone learns nothing."""
    counts = torch.bincount(target[target != IGNORE_INDEX], minlength=CLASSES)
    return F.cross_entropy(logits, target, weight=counts.clamp(min=1) ** -0.75, ignore_index=IGNORE_INDEX)


def train(network: nn.Module, data: tuple[Tensor, Tensor], loss_of: Loss, epochs: int, peak: float) -> None:
    """Train with AdamW, one learning rate cycle and flips."""
    (images, masks), batch = data, 8
    optimizer = torch.optim.AdamW(network.parameters(), peak)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=epochs * (len(images) // batch))
    for _ in range(epochs):
        for chosen in torch.randperm(len(images))[: len(images) // batch * batch].view(-1, batch):
            flips = [axis for axis in (-1, -2) if torch.rand(()) < 0.5]
            loss = loss_of(network(images[chosen].flip(flips)), masks[chosen].flip(flips))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def trained_ious(network: nn.Module, loss_of: Loss, count: int, epochs: int, peak: float) -> FloatArray:
    """Train the network on the first `count` train images; return its IoUs on the test images."""
    train(network, _tensors("train", count), loss_of, epochs, peak)
    images, masks = _tensors("test", TEST)
    network.eval()
    with torch.inference_mode():
        predicted = torch.cat([network(images[first : first + 8]).argmax(dim=1) for first in range(0, TEST, 8)])
    return intersections_over_unions(predicted.numpy(), masks.numpy().astype(np.uint8))


def colour_network() -> nn.Module:
    """Return a network of 1 x 1 convolutions, which sees a pixel's colour and no neighbour."""
    return nn.Sequential(nn.Conv2d(3, 32, 1), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU(), nn.Conv2d(32, CLASSES, 1))


def unet() -> nn.Module:
    """Return the network of `experiment=unet_dice`, without pretrained weights."""
    import segmentation_models_pytorch as smp  # seconds to import, and the data set's tests need none of it

    network: nn.Module = smp.Unet("resnet18", encoder_weights=None, classes=CLASSES)
    return network


def main() -> None:
    """Print a row of IoUs per way, with the bound on their mean that the data set promises."""
    torch.manual_seed(0)
    ways: dict[str, tuple[float, Callable[[], FloatArray]]] = {
        "colour, table": (0.45, lambda: colour_only_ious(train=320, test=TEST)),
        "colour, network": (
            0.45,
            lambda: trained_ious(colour_network(), balanced_cross_entropy, 160, epochs=3, peak=1e-2),
        ),
        "U-Net, one epoch": (0.60, lambda: trained_ious(unet(), dice_loss, 320, epochs=1, peak=2e-3)),
    }
    print(f"{'':18}{'mIoU':>8}{'below':>8}" + "".join(f"{name:>12}" for name in CLASS_NAMES) + f"{'seconds':>10}")
    for name, (bound, measure) in ways.items():
        start = perf_counter()
        ious = measure()
        cells = "".join(f"{iou:12.3f}" for iou in ious)
        print(f"{name:18}{ious.mean():8.3f}{bound:8.2f}{cells}{perf_counter() - start:10.1f}")


if __name__ == "__main__":
    main()
