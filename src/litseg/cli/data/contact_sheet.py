"""A sheet of samples: image and labels side by side, two draws of each in a row, under one legend."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from litseg.labels import IGNORE_INDEX

Array = NDArray[np.uint8]
TILE, GAP, LINE = 320, 8, 22
"""In pixels: the longer side of a tile, the space between tiles, the height of a line of text."""
FONT = ImageFont.load_default(13)
STRIPES = np.array(((255, 0, 255), (255, 255, 255)), dtype=np.uint8)  # void: magenta and white, no class is striped
OPACITY = 0.55


class Drawn(NamedTuple):
    """One draw of a sample: image (H, W, C) in its raw range, mask (H, W) or in multilabel (H, W, classes).

    `share`: of a blend of two samples (MixUp), how much is the one whose mask this is.
    """

    image: NDArray[np.generic]
    mask: Array
    share: float | None = None


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[Drawn]]], class_names: Sequence[str], palette: Array
) -> Image.Image:
    """Draws the sheet.

    Args:
        rows: the name of each sample and its draws; every row has equally many.
        class_names: names by label.
        palette: uint8 (C, 3) RGB by label.
    """
    tiles = [[tile for drawn in draws for tile in _tiles(drawn, palette)] for _, draws in rows]
    wide = (TILE + GAP) * len(tiles[0]) + GAP
    heights = [LINE + max(tile.height for tile in row) + GAP for row in tiles]
    legend = _legend_rows([*class_names, "void"], wide)
    sheet = Image.new("RGB", (wide, sum(heights) + GAP + LINE * len(legend)), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for (name, draws), row, height in zip(rows, tiles, heights, strict=True):
        for column, tile in enumerate(row):
            left = GAP + column * (TILE + GAP)
            sheet.paste(tile, (left, top + LINE))
            shape = "{} x {}".format(*draws[column // 2].mask.shape[:2])
            draw = f"draw {column // 2 + 1}" if len(draws) > 1 else "as stored"
            share = draws[column // 2].share
            whose = "labels" if share is None else f"labels of {share:.0%} of the blend"
            title = f"{draw}, {shape}" if column % 2 == 0 else f"{whose}, {draw}"
            pen.text((left, top + 3), f"{_short(name)}: {title}" if column == 0 else title, fill="black", font=FONT)
        top += height
    _draw_legend(sheet, legend, palette, top + GAP)
    return sheet


def visible(image: NDArray[np.generic]) -> Array:
    """RGB of 0 to 255: the first three channels, or the first as grey; other types than uint8 by their percentiles."""
    shown = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    if shown.dtype == np.uint8:
        return np.asarray(shown, dtype=np.uint8)
    values = np.nan_to_num(shown.astype(np.float64))
    low, high = np.percentile(values, (1, 99))
    return np.asarray((values - low).clip(0, max(high - low, 1e-12)) * (255 / max(high - low, 1e-12)), dtype=np.uint8)


def overlay(image: Array, mask: Array, palette: Array) -> Array:
    """The image with its labels in colour; of several labels at a pixel the average colour; void striped."""
    rows, columns = np.indices(mask.shape[:2])
    if mask.ndim == 2:
        void, colours, labelled = mask == IGNORE_INDEX, _lookup(palette)[mask], np.ones(mask.shape, dtype=bool)
    else:
        held = (mask == 1).astype(np.float64)
        void, labelled = (mask == IGNORE_INDEX).any(axis=2), held.any(axis=2)
        colours = held @ palette / np.maximum(held.sum(axis=2, keepdims=True), 1)
    blended = np.where(labelled[..., None], (1 - OPACITY) * image + OPACITY * colours, image)
    width = max(2, max(mask.shape[:2]) // 80)  # as wide in a large image as in a small one
    return np.where(void[..., None], STRIPES[(rows + columns) // width % 2], blended.round()).astype(np.uint8)


def _lookup(palette: Array) -> Array:
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(palette)] = palette
    return colours


def _tiles(drawn: Drawn, palette: Array) -> tuple[Image.Image, Image.Image]:
    image = visible(drawn.image)
    return _tile(image), _tile(overlay(image, drawn.mask, palette))


def _tile(pixels: Array) -> Image.Image:
    """Thin things survive: shrunk by area, enlarged by whole pixels."""
    height, width = pixels.shape[:2]
    scale = TILE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return Image.fromarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=how).astype(np.uint8))


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:8]}…{name[-9:]}"


def _legend_rows(names: Sequence[str], width: int) -> list[list[tuple[int, str, int]]]:
    """(number, name, left edge) in lines that fit the width."""
    rows: list[list[tuple[int, str, int]]] = [[]]
    left = GAP
    for number, name in enumerate(names):
        needed = 34 + int(FONT.getlength(name))
        if rows[-1] and left + needed > width:
            rows.append([])
            left = GAP
        rows[-1].append((number, name, left))
        left += needed
    return rows


def _draw_legend(sheet: Image.Image, rows: list[list[tuple[int, str, int]]], palette: Array, top: int) -> None:
    pen = ImageDraw.Draw(sheet)
    stripes = STRIPES[np.add(*np.indices((13, 13))) // 3 % 2]
    for line, row in enumerate(rows):
        for number, name, left in row:
            place = (left, top + line * LINE + 2)
            if number < len(palette):
                pen.rectangle((*place, place[0] + 12, place[1] + 12), fill=tuple(map(int, palette[number])))
            else:
                sheet.paste(Image.fromarray(stripes), place)
            pen.rectangle((*place, place[0] + 12, place[1] + 12), outline="gray")
            pen.text((left + 18, place[1] - 1), name, fill="black", font=FONT)
