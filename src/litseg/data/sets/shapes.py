"""The embedded data set: drawn by code on first use, kept in the cache, read like any folder of images and masks."""

from collections.abc import Sequence
from pathlib import Path

from litseg.data.machine import cache_folder, write_folder
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
        if not folder.is_dir():
            write_folder(folder, lambda path: write_tree(path, counts, seed=drawing_seed, size=size, layers=layers))
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
