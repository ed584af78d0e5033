"""The embedded data set: drawn by code on first use, kept in the cache, read like any folder of images and masks."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from litseg.data.machine import cache_folder
from litseg.data.sets.folder import Folder
from litseg.data.sets.shapes_drawing import CLASS_NAMES, PALETTE, write_tree
from litseg.labels import Task

VERSION = 1
"""Raise it when the drawing changes: old trees in users' caches are then left alone and not read."""


class Shapes(Folder):
    """Small procedural scenes: 6 classes from about 70 % down to about 0.2 % of the pixels, void outlines.

    Args:
        root: where the images are written; None takes the cache folder.
        task: `multiclass` (6 classes), `binary` (anything against the background) or `multilabel` (5 kinds of objects,
            each in its full extent also where another hides it).
        size: height and width of the images in pixels.
        train, val, test: how many images each split has.
        drawing_seed: seed of the drawing; it does not follow the run's seed.
        resize: see `Source`.
    """

    def __init__(
        self,
        root: str | None = None,
        *,
        task: Task = "multiclass",
        size: int = 128,
        train: int = 360,
        val: int = 64,
        test: int = 64,
        drawing_seed: int = 0,
        resize: Sequence[int] | None = None,
    ) -> None:
        counts = {"train": train, "val": val, "test": test}
        layers = task == "multilabel"
        kind = "layers" if layers else "labels"
        name = f"v{VERSION}-{kind}-{size}px-{train}-{val}-{test}-seed{drawing_seed}"
        folder = (cache_folder() if root is None else Path(root)) / "shapes" / name
        _write_once(folder, counts, drawing_seed, size, layers)
        names, palette, label_map = list(CLASS_NAMES), list(PALETTE), None
        if task == "binary":
            names, palette = ["background", "object"], [PALETTE[0], PALETTE[1]]
            label_map = {label: min(label, 1) for label in range(len(CLASS_NAMES))}
        elif layers:
            names, palette = names[1:], palette[1:]
        super().__init__(
            str(folder),
            class_names=names,
            task=task,
            void=255,
            label_map=label_map,
            resize=resize,
            palette=palette,
        )


def _write_once(folder: Path, counts: dict[str, int], seed: int, size: int, layers: bool) -> None:
    """Draws into a temporary neighbour and renames it, so that a tree is whole or absent, whoever else draws it too."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".drawing-"))
    try:
        write_tree(temporary, counts, seed=seed, size=size, layers=layers)
        temporary.chmod(0o755)  # mkdtemp's own is for its user alone, and a cache may be shared
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():  # anything but another process having been first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
