"""What an evaluation leaves in `<run>/evaluation/<name>/`: a folder that is whole or absent."""

import csv
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WHITE, RIGHT, WRONG = (255, 255, 255), (235, 235, 235), (220, 50, 47)
VOID = 255


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target` that takes its place when all has gone well, and vanishes when not.

    Raises:
        ValueError: the way to it leads through a link, which a run folder from a stranger could hold.
        OSError: it cannot be written.
    """
    if target.is_symlink() or target.parent.is_symlink():
        raise ValueError(f"{target}: expected a folder of the run itself, got a link; remove it")
    target.parent.mkdir(exist_ok=True)
    fresh, old = (target.with_name(f".{target.name}.{os.getpid()}.{kind}") for kind in ("new", "old"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        yield fresh
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A CSV with the columns of all rows, in the order they come; what is not finite or not there stays empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({name: _shown(value) for name, value in row.items()} for row in rows)


def _shown(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else value


def picture_name(rank: int, sample: str) -> str:
    """`<rank>-<id>` as a folder's name, whatever the id holds."""
    return f"{rank:04d}-{re.sub(r'[^0-9A-Za-z._-]', '_', sample)[:80]}"


def write_pictures(
    folder: Path,
    image: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    palette: Sequence[Sequence[int]],
) -> None:
    """Writes image.png, truth.png, prediction.png and error.png; the last three hold indices of a palette.

    Args:
        folder: is made.
        image: RGB (H, W, 3).
        truth: labels (H, W), void 255, shown white; C where no class of a multilabel mask is, shown black.
        prediction: labels (H, W), alike.
        palette: RGB by label.
    """
    folder.mkdir(parents=True)
    Image.fromarray(image).save(folder / "image.png")
    for name, labels in (("truth", truth), ("prediction", prediction)):
        label_picture(labels, palette).save(folder / f"{name}.png")
    error = np.where(truth == VOID, VOID, truth != prediction).astype(np.uint8)
    label_picture(error, (RIGHT, WRONG)).save(folder / "error.png")


def label_picture(labels: NDArray[np.uint8], palette: Sequence[Sequence[int]]) -> Image.Image:
    """Labels uint8 (H, W) as an indexed picture: its pixels are the labels, its palette shows them in colour."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(palette)] = palette
    colours[VOID] = WHITE
    picture = Image.fromarray(labels)
    picture.putpalette(colours.tobytes())
    return picture
