"""Mixes the samples of a training batch: CutMix, Mosaic and MixUp.

A mixing is a callable `mix(items, rng) -> items` on the samples of one batch, all of one size; it leaves them as they
are. `Samples` calls it in the loader, with a generator of its own for every batch.
"""

import numpy as np
import torch

from litseg.data.samples import Item


class CutMix:
    """Replaces a window of every image and mask of a batch by the same window of another of its samples.

    The window's share of the area is 1 - b, b ~ Beta(alpha, alpha), its place is uniform; it is cut off at the borders.

    Source: Yun et al., CutMix, ICCV 2019, section 3.1; here labels are of pixels and stay integers.

    Args:
        p: share of the batches that are mixed.
        alpha: of the Beta distribution; 1: uniform.
    """

    def __init__(self, p: float = 0.5, alpha: float = 1.0) -> None:
        _check(p, alpha)
        self.p, self.alpha = p, alpha

    def __call__(self, items: list[Item], rng: np.random.Generator) -> list[Item]:
        """The mixed samples."""
        if rng.random() >= self.p or len(items) < 2:
            return items
        height, width = items[0]["image"].shape[-2:]
        side = np.sqrt(1 - rng.beta(self.alpha, self.alpha))
        rows, columns = _cut(height, side, rng), _cut(width, side, rng)
        mixed = []
        for item, other in zip(items, _others(items, 1, rng)[0], strict=True):
            image, mask = item["image"].clone(), item["mask"].clone()
            image[..., rows, columns] = other["image"][..., rows, columns]
            mask[..., rows, columns] = other["mask"][..., rows, columns]
            mixed.append(Item(image=image, mask=mask, id=item["id"]))
        return mixed


class Mosaic:
    """Puts every image of a batch together from four of its samples, in four quarters around a random point.

    Each quarter is a random crop of its sample, at its own scale. Source: Bochkovskiy et al., YOLOv4, arXiv 2004.10934,
    section 3.3.

    Args:
        p: share of the batches that are mixed.
        margin: the point keeps this share of height and width from the borders.
    """

    def __init__(self, p: float = 0.5, margin: float = 0.25) -> None:
        _check(p, 1.0)
        if not 0 <= margin <= 0.5:
            raise ValueError(f"mixing.margin: expected 0 to 0.5, got {margin}")
        self.p, self.margin = p, margin

    def __call__(self, items: list[Item], rng: np.random.Generator) -> list[Item]:
        """The mixed samples; the first quarter is the sample's own."""
        if rng.random() >= self.p or len(items) < 2:
            return items
        height, width = items[0]["image"].shape[-2:]
        y, x = (round(size * rng.uniform(self.margin, 1 - self.margin)) for size in (height, width))
        quarters = [(slice(0, y), slice(0, x)), (slice(0, y), slice(x, width))]
        quarters += [(slice(y, height), slice(0, x)), (slice(y, height), slice(x, width))]
        mixed = []
        for parts in zip(items, *_others(items, 3, rng), strict=True):
            image, mask = torch.empty_like(parts[0]["image"]), torch.empty_like(parts[0]["mask"])
            for part, (rows, columns) in zip(parts, quarters, strict=True):
                origin = (_moved(rows, height, rng), _moved(columns, width, rng))
                image[..., rows, columns] = part["image"][..., *origin]
                mask[..., rows, columns] = part["mask"][..., *origin]
            mixed.append(Item(image=image, mask=mask, id=parts[0]["id"]))
        return mixed


class MixUp:
    """Blends every image of a batch with another of its samples, and their targets likewise.

    The sample's own share is max(b, 1 - b), b ~ Beta(alpha, alpha), one for each sample: `mask` stays the one that
    shows most, `other_mask` and `share` go with it, and training makes soft targets of the three (void in either is
    void). The loss must take soft targets, see `litseg/losses/clauses.yaml`.

    Source: Zhang et al., mixup, ICLR 2018; the larger share first as in Berthelot et al., MixMatch, NeurIPS 2019.

    Args:
        p: share of the batches that are mixed.
        alpha: of the Beta distribution; 0.2 blends a little, 1 is uniform.
    """

    def __init__(self, p: float = 0.5, alpha: float = 0.2) -> None:
        _check(p, alpha)
        self.p, self.alpha = p, alpha

    def __call__(self, items: list[Item], rng: np.random.Generator) -> list[Item]:
        """The mixed samples, with `other_mask` and `share`; batches that are not mixed have neither."""
        if rng.random() >= self.p or len(items) < 2:
            return items
        shares = rng.beta(self.alpha, self.alpha, len(items))
        shares = np.maximum(shares, 1 - shares).astype(np.float32)
        mixed = []
        for item, other, share in zip(items, _others(items, 1, rng)[0], shares, strict=True):
            image = _blend(item["image"], other["image"], float(share))
            weight = torch.tensor(share)
            mixed.append(Item(image=image, mask=item["mask"], id=item["id"], other_mask=other["mask"], share=weight))
        return mixed


def _blend(first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
    """Share * first + (1 - share) * second in their own type."""
    blend = first.double() * share + second.double() * (1 - share)
    return (blend if first.is_floating_point() else blend.round()).to(first.dtype)


def _others(items: list[Item], count: int, rng: np.random.Generator) -> list[list[Item]]:
    """The batch rotated by `count` offsets, different ones where there are enough: nobody meets himself."""
    offsets = rng.choice(np.arange(1, len(items)), count, replace=count > len(items) - 1)
    return [[*items[offset:], *items[:offset]] for offset in map(int, offsets)]


def _moved(cut: slice, size: int, rng: np.random.Generator) -> slice:
    """A slice of the same length anywhere in `size`."""
    length = cut.stop - cut.start
    start = int(rng.integers(size - length + 1))
    return slice(start, start + length)


def _cut(size: int, side: float, rng: np.random.Generator) -> slice:
    middle, half = int(rng.integers(size)), size * side / 2
    return slice(max(0, round(middle - half)), min(size, round(middle + half)))


def _check(p: float, alpha: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"mixing.p: expected 0 to 1, got {p}")
    if alpha <= 0:
        raise ValueError(f"mixing.alpha: expected above 0, got {alpha}")
