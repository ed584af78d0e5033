"""Pictures of the images that a network gets best, middling and worst."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from litseg.cli.evaluation.data import EvaluationData
from litseg.inference.whole_image import Predict
from litseg.labels import IGNORE_INDEX
from litseg.results.evaluation_folder import picture_name, write_pictures
from litseg.training.predictions import eight_bits, predicted


def write_samples(
    folder: Path, predict: Predict, data: EvaluationData, images: list[dict[str, Any]], count: int
) -> None:
    """Writes `samples/<rank>-<id>/` and `samples.json`; the images are predicted once more, since few are wanted.

    Args:
        folder: of the evaluation.
        predict: raw images (N, C, H, W) to logits, alike.
        data: where the images are.
        images: rows of `images.csv`, the worst first.
        count: how many of each kind.
    """
    samples: Any = data.loader.dataset
    place = {pair.id: index for index, pair in enumerate(samples.pairs)}
    written = []
    for rank, kind in sorted(chosen_ranks(sum(np.isfinite(row["image_miou"]) for row in images), count).items()):
        row = images[rank]
        item = samples[0, place[row["id"]]]
        with torch.inference_mode():
            labels = predicted(predict(item["image"][None])[0].cpu(), data.source.task)
        name = picture_name(rank + 1, row["id"])
        prediction, truth = (one_label(each, len(data.source.class_names)) for each in (labels, item["mask"]))
        write_pictures(folder / "samples" / name, _rgb(item["image"]), truth, prediction, data.source.palette.tolist())
        written.append({"id": row["id"], "kind": kind, "image_miou": row["image_miou"], "folder": f"samples/{name}"})
    (folder / "samples.json").write_text(json.dumps(written, indent=2) + "\n")


def chosen_ranks(images: int, count: int) -> dict[int, str]:
    """By rank (0 is the worst), `worst`, `best` or `median`; none twice, however few images there are."""
    middle = images // 2 - count // 2
    kinds = {
        "worst": range(images)[:count],
        "best": range(images)[::-1][:count],
        "median": range(images)[max(0, middle) : middle + count],
    }
    ranks: dict[int, str] = {}
    for kind, of_kind in kinds.items():
        ranks |= {rank: kind for rank in of_kind if rank not in ranks}
    return ranks


def one_label(mask: torch.Tensor, classes: int) -> NDArray[np.uint8]:
    """One label a pixel (H, W); of a multilabel mask (C, H, W) the first class that is there, C where none is."""
    labels = mask.numpy()
    if labels.ndim == 2:
        return labels.astype(np.uint8)
    present = labels == 1
    first = np.where(present.any(axis=0), present.argmax(axis=0), classes)
    return np.where((labels == IGNORE_INDEX).all(axis=0), IGNORE_INDEX, first).astype(np.uint8)


def _rgb(image: torch.Tensor) -> NDArray[np.uint8]:
    """(H, W, 3) to look at: the first three channels or the first, stretched where they are not 8-bit."""
    pixels = image.permute(1, 2, 0).numpy()
    shown = pixels[..., :3] if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, axis=-1)
    return np.ascontiguousarray(eight_bits(shown))
