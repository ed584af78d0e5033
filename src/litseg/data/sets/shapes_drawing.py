"""Draws the embedded data set `shapes`: small scenes of six classes that a colour alone does not tell apart.

A scene holds large and tiny, thin, touching and textured objects in colours that all classes share, under uneven
light and sensor noise; a void line surrounds every object, as in Pascal VOC. It is drawn from (seed, split, index)
alone, so an image is the same in whatever order, process or number of images it is made.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from litseg.data.sets.shapes_forms import FORMS, Form, cells, offsets
from litseg.labels import IGNORE_INDEX

Colour = tuple[int, int, int]
ByteArray = NDArray[np.uint8]

CLASS_NAMES: Final = ("background", "blob", "disc", "box", "wire", "dot")
PALETTE: Final[tuple[Colour, ...]] = (
    (0, 0, 0),
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
)
"""A colour per class for overlays, from the colour-blind safe set of Okabe and Ito."""

SPLITS: Final = {"train": 0, "val": 1, "test": 2}
"""The number that stands for a split in the random seed."""

MIN_SIZE: Final = 32
"""Below this the objects are smaller than their outlines."""

_DOT: Final = CLASS_NAMES.index("dot")
_SCENE_COLOURS: Final = (
    ((52, 73, 94), (149, 165, 166), (192, 87, 70), (220, 205, 160), (88, 129, 87), (120, 90, 130), (210, 150, 90)),
    ((38, 70, 83), (42, 157, 143), (233, 196, 106), (244, 162, 97), (200, 90, 70), (130, 120, 110), (220, 220, 210)),
    ((70, 60, 50), (140, 110, 80), (200, 180, 150), (90, 120, 60), (160, 170, 90), (110, 130, 150), (180, 90, 80)),
    ((30, 30, 60), (80, 70, 140), (150, 110, 170), (220, 160, 170), (90, 160, 180), (60, 110, 110), (200, 200, 220)),
    ((60, 60, 60), (110, 110, 110), (160, 160, 160), (210, 210, 210), (90, 80, 75), (150, 160, 170), (190, 180, 165)),
)
"""The colours a scene may have. A scene draws all its classes from one row: no colour belongs to a class."""


class Drawing(NamedTuple):
    """One sample."""

    image: ByteArray  # (H, W, 3) RGB
    mask: ByteArray  # (H, W): the label of what is in front, IGNORE_INDEX on outlines
    layers: ByteArray  # (object classes, H, W): 1 where the class is, hidden or not; IGNORE_INDEX on its outlines


def draw(seed: int, split: str, index: int, size: int = 128) -> Drawing:
    """Draw one sample.

    Args:
        seed: The data set's seed; another one gives another data set of the same kind.
        split: "train", "val" or "test"; splits share no image.
        index: The sample's number in its split.
        size: Height and width in pixels.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; shapes has {', '.join(SPLITS)}")
    if size < MIN_SIZE:
        raise ValueError(f"size {size} is too small for shapes; the least is {MIN_SIZE}")
    rng = np.random.default_rng([seed, SPLITS[split], index])
    colours = np.array(_SCENE_COLOURS[int(rng.integers(len(_SCENE_COLOURS)))], dtype=np.int64)
    image = _background(rng, colours, size)
    mask = np.zeros((size, size), dtype=np.uint8)
    layers = np.zeros((len(FORMS), size, size), dtype=np.uint8)
    for label in _order(rng):
        form = FORMS[label - 1][0](rng, size)
        _paint(rng, image, form, colours)
        _label(mask, layers[label - 1], form.silhouette, label)
    return Drawing(_photograph(rng, image), mask, layers)


def write_tree(root: Path, counts: Mapping[str, int], seed: int, size: int, layers: bool = False) -> None:
    """Write the data set as a folder of PNG files.

    Images lie in images/<split>/<index>.png; masks in masks/<split>/<index>.png or, for the multilabel task, one file
    per object class in masks/<split>/<class name>/<index>.png.

    Args:
        root: The folder to fill.
        counts: The number of samples per split.
        seed: The data set's seed.
        size: Height and width in pixels.
        layers: Write a mask per object class, which keeps what is hidden, instead of one mask of labels.
    """
    for split, count in counts.items():
        for index in range(count):
            drawing, name = draw(seed, split, index, size), f"{index:05d}.png"
            _write(Image.fromarray(drawing.image), root / "images" / split / name)
            masks = root / "masks" / split
            if not layers:
                _write(_indexed(drawing.mask, PALETTE), masks / name)
                continue
            for label, layer in enumerate(drawing.layers, start=1):
                _write(_indexed(layer, (PALETTE[0], PALETTE[label])), masks / CLASS_NAMES[label] / name)


def _order(rng: np.random.Generator) -> list[int]:
    """Draw how many objects of each class there are and which hides which; later ones lie in front."""
    counts = [int(rng.integers(low, high + 1)) for _, low, high in FORMS]
    labels = np.repeat(np.arange(1, len(FORMS) + 1), counts)
    rng.shuffle(labels)
    # a dot behind anything else would be gone, and a rare class has no pixels to lose
    return [int(v) for v in labels if v != _DOT] + [int(v) for v in labels if v == _DOT]


def _mix(first: NDArray[np.int64], second: NDArray[np.int64], blend: NDArray[np.int64]) -> NDArray[np.int64]:
    """Blend two colours, with 0..256 parts of the second."""
    return (first * (256 - blend[..., None]) + second * blend[..., None]) // 256


def _background(rng: np.random.Generator, colours: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Draw soft clouds between two of the scene's colours."""
    first, second = colours[rng.permutation(len(colours))[:2]]
    cell = int(rng.integers(10, 33)) * size // 128 + 1
    return _mix(first, (first + second) // 2, cells(rng, size, cell, smooth=True))


def _paint(rng: np.random.Generator, image: NDArray[np.int64], form: Form, colours: NDArray[np.int64]) -> None:
    """Paint the object in place in two scene colours, one unlike what lies below, the other unlike the first."""
    where = form.silhouette
    if not where.any():
        return
    below = image[where].sum(axis=0) // int(where.sum())
    first = _unlike(rng, colours, below)
    second = (first + _unlike(rng, colours, first)) // 2
    image[where] = _mix(first, second, form.blend[where])


def _unlike(rng: np.random.Generator, colours: NDArray[np.int64], colour: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw one of the three scene colours that differ most from this one."""
    by_contrast = np.argsort(np.abs(colours - colour).sum(axis=1), kind="stable")
    return np.asarray(colours[by_contrast[-1 - int(rng.integers(3))]])


def _label(mask: ByteArray, layer: ByteArray, silhouette: NDArray[np.bool_], label: int) -> None:
    """Write the object's label and, just outside it, its void outline: inside, a thin object would have none left."""
    grown = cv2.dilate(silhouette.astype(np.uint8), np.ones((3, 3), dtype=np.uint8)).astype(np.bool_)
    mask[grown] = IGNORE_INDEX
    mask[silhouette] = label
    # an outline within another object of the class leaves no doubt that the class is there
    layer[grown & (layer != 1)] = IGNORE_INDEX
    layer[silhouette] = 1


def _photograph(rng: np.random.Generator, scene: NDArray[np.int64]) -> ByteArray:
    """Turn the scene into a picture: light from one side, at times out of focus, always with sensor noise."""
    size = len(scene)
    down, right = offsets((size // 2, size // 2), size)
    fall, slant = (int(v) for v in rng.integers(-80, 81, 2))
    light = 256 + (fall * down + slant * right) // size
    picture = scene * light[..., None] // 256
    if rng.integers(3) == 0:
        picture = _blurred(picture)
    amplitude = int(rng.integers(4, 13))
    noise = rng.integers(-amplitude, amplitude + 1, (2, *scene.shape), dtype=np.int64).sum(axis=0)
    return np.asarray(np.clip(picture + noise, 0, 255), dtype=np.uint8)


def _blurred(picture: NDArray[np.int64]) -> NDArray[np.int64]:
    """Smooth with the weights 1, 2, 1 along both sides."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) // 16, dtype=np.int64)


def _indexed(labels: ByteArray, palette: tuple[Colour, ...]) -> Image.Image:
    """Return a picture whose palette indices are the labels, coloured for the eye, with white for void."""
    picture = Image.fromarray(labels)
    table = [value for colour in palette for value in colour]
    picture.putpalette(table + [0] * (3 * IGNORE_INDEX - len(table)) + [255, 255, 255])
    return picture


def _write(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, compress_level=1)  # noise does not compress, so do not spend time trying
