"""Pictures of a run as data URIs, small enough for a page: photographs, and labels as layers over them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from litseg.results.recorded_run import Evaluation, number

VOID, WRONG = 255, (230, 0, 60)
LONGEST_SIDE, MOST_PIXELS = 640, 100_000_000
FEWEST_PIXELS = 96
"""Side below which a browser shows pixels as squares instead of a blur."""
KINDS = ("best", "median", "worst")
MOST_SAMPLES, MOST_PICTURES = 12, 8
Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """A predicted image. Layers are data URIs; `errors` is empty where the labels are not known."""

    name: str
    kind: str
    score: float | None
    width: int
    height: int
    image: str
    truth: str
    prediction: str
    errors: str

    @property
    def tiny(self) -> bool:
        """Whether its pixels are to be seen as squares."""
        return max(self.width, self.height) <= FEWEST_PIXELS


def samples(evaluation: Evaluation) -> list[Sample]:
    """The evaluation's samples, from the best to the worst.

    Raises:
        ValueError, OSError: a picture that is none, is too large or lies outside the evaluation's folder.
    """
    entries = [each for each in evaluation.samples if isinstance(each, dict) and each.get("kind") in KINDS]
    entries.sort(key=lambda each: (KINDS.index(each["kind"]), -(number(each.get("image_miou")) or 0.0)))
    palette = [tuple(map(int, colour)) for colour in evaluation.result.get("palette") or []]
    return [_sample(evaluation, entry, palette) for entry in entries[:MOST_SAMPLES]]


def prediction_pictures(folder: Path) -> list[tuple[str, str]]:
    """Name and data URI of the pictures that training leaves in `predictions/`."""
    paths = sorted((folder / "predictions").glob("*.png"))[:MOST_PICTURES]
    pictures = ((path.stem, _opened(path).convert("RGB")) for path in paths)
    return [
        (name, _encoded(image.resize(_size(image, 2 * LONGEST_SIDE)), "jpeg", quality=88)) for name, image in pictures
    ]


def _sample(evaluation: Evaluation, entry: dict[str, Any], palette: list[tuple[int, ...]]) -> Sample:
    folder = _found(evaluation, str(entry.get("folder")))
    image = _opened(folder / "image.png").convert("RGB")
    truth, prediction = (_opened(folder / f"{name}.png") for name in ("truth", "prediction"))
    known = truth.mode in ("P", "L") and prediction.mode in ("P", "L")
    errors = _errors(np.asarray(truth), np.asarray(prediction)) if known else ""
    return Sample(
        str(entry.get("id")),
        entry["kind"],
        number(entry.get("image_miou")),
        *image.size,
        _photograph(image),
        _layer(truth, palette),
        _layer(prediction, palette),
        errors,
    )


def _found(evaluation: Evaluation, name: str) -> Path:
    """The sample's folder, which is below the evaluation's."""
    root = (evaluation.folder or Path()).resolve()
    for path in ((root / name).resolve(), (root / "samples" / name).resolve()):
        if path.is_dir() and path.is_relative_to(root):
            return path
    raise ValueError(f"no folder of samples below the evaluation is named {name!r}")


def _opened(path: Path) -> Image.Image:
    if path.is_symlink():
        raise ValueError(f"{path.name}: a link")
    with Image.open(path, formats=["PNG"]) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{path.name}: more than {MOST_PIXELS} pixels")
        image.load()
        return image


def _layer(picture: Image.Image, palette: Sequence[tuple[int, ...]]) -> str:
    """Labels in their colours, void transparent; a picture that is not of labels stays what it is."""
    if picture.mode not in ("P", "L"):
        return _photograph(picture.convert("RGB"))
    own = np.asarray(picture.getpalette() or np.repeat(np.arange(256), 3), dtype=np.uint8).reshape(-1, 3)
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(own)] = own
    colours[: len(palette)] = palette or own[:0]
    return _label_uri(np.asarray(picture), colours, transparent=VOID)


def _errors(truth: Array, prediction: Array) -> str:
    if truth.shape != prediction.shape:
        raise ValueError(f"expected truth and prediction of one size, got {truth.shape} and {prediction.shape}")
    wrong = (truth != prediction) & (truth != VOID)
    return _label_uri(wrong.astype(np.uint8), np.asarray([(0, 0, 0), WRONG], dtype=np.uint8), transparent=0)


def _label_uri(labels: Array, colours: Array, transparent: int) -> str:
    """A PNG with a palette: exact, and a few kilobytes."""
    picture = Image.fromarray(labels, "L")
    picture = picture.resize(_size(picture, LONGEST_SIDE), Image.Resampling.NEAREST)
    picture.putpalette(colours.tobytes())
    return _encoded(picture, "png", optimize=True, transparency=transparent)


def _photograph(image: Image.Image) -> str:
    """Tiny ones without loss: they are looked at pixel by pixel."""
    image = image.resize(_size(image, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return _encoded(image, "png") if max(image.size) <= FEWEST_PIXELS else _encoded(image, "jpeg", quality=88)


def _size(image: Image.Image, longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(image.size))
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _encoded(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
