"""The picture of `litseg data stats`: classes, their co-occurrence, image sizes."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN = "#4477aa", "#ee7733", "#228833"  # told apart by colour-blind readers too


def plot(found: dict[str, Any], path: Path) -> Path:
    """Writes three panels: share of the pixels by class, co-occurrence, sizes; it grows with the number of classes.

    Args:
        found: as `litseg.data.statistics.statistics` gives it.
        path: of the PNG.
    """
    names = [name if len(name) <= 28 else f"{name[:27]}…" for name in found["class_names"]]
    height, width = 4.2 + 0.15 * max(len(names), 12), 15 + 0.12 * max(len(names) - 40, 0)
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.add_gridspec(
        2, 2, width_ratios=(1, 1.15 if len(names) <= 40 else 2), height_ratios=(max(height - 2.8, 2.8), 2.8)
    )
    size = 9 if len(names) <= 40 else 7
    _classes(figure.add_subplot(grid[:, 0]), found, names, size)
    _co_occurrence(figure.add_subplot(grid[0, 1]), found, names, size)
    _sizes(figure.add_subplot(grid[1, 1]), found)
    figure.suptitle(f"{found['data']}, {found['task']}, {len(names)} classes")
    figure.savefig(path, dpi=100)
    return path


def _classes(axes: Axes, found: dict[str, Any], names: list[str], size: int) -> None:
    places = np.arange(len(names))
    shares = {split: _shares(values) for split, values in found["splits"].items()}
    positive = np.concatenate([share[share > 0] for share in shares.values()])
    left = 10 ** np.floor(np.log10(positive.min())) / 2
    axes.barh(places, np.maximum(shares["train"] - left, 0), left=left, color=BLUE, label="train")
    for split, colour, marker in (("val", ORANGE, "o"), ("test", GREEN, "D")):
        if split in shares:
            shown = np.where(shares[split] > 0, shares[split], np.nan)
            axes.scatter(shown, places, s=18, color=colour, marker=marker, label=split, zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(left, 140)  # a marker at 100 stays whole
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(places, names, fontsize=size)
    images = list(found["splits"]["train"]["images"].values())
    twin = axes.secondary_yaxis("right")
    twin.set_yticks(places, [str(count) for count in images], fontsize=size)
    twin.set_ylabel(f"training images that hold the class, of {found['splits']['train']['samples']}", labelpad=8)
    axes.set_xlabel("percent of the valid pixels (log scale)")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)


def _shares(values: dict[str, Any]) -> Any:
    pixels = np.array(list(values["pixels"].values()), dtype=np.float64)
    return 100 * pixels / max(1.0, pixels.sum())


def _co_occurrence(axes: Axes, found: dict[str, Any], names: list[str], size: int) -> None:
    counts = np.array(found["co_occurrence"], dtype=np.float64)
    share = counts / np.maximum(counts.diagonal()[:, None], 1)
    picture = axes.imshow(100 * share, vmin=0, vmax=100, cmap="viridis", aspect="auto")
    places = np.arange(len(names))
    axes.set_yticks(places, names, fontsize=size)
    axes.set_xticks(places, names, fontsize=size, rotation=90)
    axes.set_title("percent of the training images with the row's class that hold the column's", fontsize=10)
    if len(names) <= 24:
        for row, column in np.ndindex(*share.shape):
            colour = "black" if share[row, column] > 0.6 else "white"
            text = f"{100 * share[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.figure.colorbar(picture, ax=axes, fraction=0.03, pad=0.01)


def _sizes(axes: Axes, found: dict[str, Any]) -> None:
    colours = {"train": BLUE, "val": ORANGE, "test": GREEN}
    largest = 1
    for split, values in found["splits"].items():
        sides = np.array([[int(side) for side in text.split(" x ")] for text in values["sizes"]])
        counts = np.array(list(values["sizes"].values()))
        largest = max(largest, int(sides.max()))
        area = 30 + 300 * counts / counts.sum()
        axes.scatter(sides[:, 1], sides[:, 0], s=area, color=colours[split], alpha=0.45, label=split)
        if len(counts) <= 3 and split == "train":
            for (high, wide), count in zip(sides, counts, strict=True):
                text, right = f"{count} of {high} x {wide}", wide > largest / 2
                offset, side = (-16, "right") if right else (16, "left")
                place = {"xytext": (offset, 0), "textcoords": "offset points", "fontsize": 9}
                axes.annotate(text, (wide, high), ha=side, va="center", **place)  # type: ignore[arg-type]
    axes.set_xlim(0, 1.25 * largest)
    axes.set_ylim(0, 1.25 * largest)
    axes.set_xlabel("width in pixels")
    axes.set_ylabel("height in pixels")
    axes.set_title("image sizes; area of a disc: share of its split", fontsize=10)
    axes.grid(alpha=0.3)
