"""Data sets that are broken, each in its own way, and the table of what `litseg data check` says about them.

`python -m tests.data.broken_inputs` writes docs/broken_inputs.md anew.
"""

# mypy: disable-error-code="func-returns-value"
# the lambdas below do several things in a tuple, whose values nobody reads

import contextlib
import io
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from litseg.cli.main import main

TABLE = Path(__file__).parents[2] / "docs" / "broken_inputs.md"
HEAD = """\
# Broken inputs, and what `litseg data check` says

Written by `python -m tests.data.broken_inputs`, compared by `tests/data/test_broken_inputs.py`. Exit code 2 for each;
where a warning is all there is, with `strict=true`. "refused" in the last column: training does not start either.

| case | problem | message | training |
|---|---|---|---|
"""
BINARY = ("data.class_names=[background,object]", "data.task=binary")
THREE = ("data.class_names=[a,b,c]",)
Spoil = Callable[[Path], Any]


@dataclass(frozen=True)
class Case:
    """One broken data set: what is done to a sound one at `root`, and the words that describe it."""

    spoil: Spoil
    words: tuple[str, ...] = ()
    base: tuple[str, ...] = BINARY
    trains: bool = False  # it does, with a warning of the check


def write_sound(root: Path) -> None:
    """4 training and 3 validation samples of 24 x 32, masks of 0 and 1; no two images alike."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 3)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for name in list("abcdefg")[:count] if split == "train" else list("uvwxyz")[:count]:
            colours = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            colours.resize((32, 24), Image.Resampling.BILINEAR).save(image(root, name, split))
            Image.fromarray(rng.integers(0, 2, (24, 32), dtype=np.uint8)).save(mask(root, name, split))


def image(root: Path, name: str = "b", split: str = "train") -> Path:
    """The file of an image."""
    return root / "images" / split / f"{name}.png"


def mask(root: Path, name: str = "b", split: str = "train") -> Path:
    """The file of a mask."""
    return root / "masks" / split / f"{name}.png"


def _all(root: Path, kind: str, change: Callable[[np.ndarray], np.ndarray], suffix: str = ".png") -> None:
    """Rewrites all images or masks."""
    for path in sorted((root / kind).rglob("*.png")):
        pixels = change(np.asarray(Image.open(path)))
        path.unlink()
        _write(path.with_suffix(suffix), pixels)


def _write(path: Path, pixels: np.ndarray) -> None:
    if path.suffix == ".tif":
        photometric: Any = "rgb" if pixels.ndim == 3 else "minisblack"
        tifffile.imwrite(path, pixels, photometric=photometric, planarconfig="contig" if pixels.ndim == 3 else None)
    else:
        Image.fromarray(pixels).save(path)


def _one(root: Path, kind: str, change: Callable[[np.ndarray], np.ndarray], suffix: str = ".png") -> None:
    """Rewrites sample b of train."""
    path = root / kind / "train" / "b.png"
    pixels = change(np.asarray(Image.open(path)))
    path.unlink()
    _write(path.with_suffix(suffix), pixels)


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def _flat(root: Path, keep: int) -> None:
    """One folder of images and one of masks, without splits."""
    for kind in ("images", "masks"):
        for number, path in enumerate(sorted((root / kind / "train").glob("*.png"))):
            _move(path, root / kind / path.name) if number < keep else path.unlink()
        _remove(root / kind / "train")
        _remove(root / kind / "val")


def _link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def _pages(root: Path) -> None:
    pixels = np.asarray(Image.open(image(root)))
    image(root).unlink()
    with tifffile.TiffWriter(image(root).with_suffix(".tif")) as writer:
        writer.write(pixels, photometric="rgb")
        writer.write(pixels[:10], photometric="rgb")


def _multilabel(root: Path, value: int) -> None:
    """A folder of masks for each of two classes."""
    for split in ("train", "val"):
        for path in sorted((root / "masks" / split).glob("*.png")):
            pixels = np.asarray(Image.open(path)) * np.uint8(value)
            for name in ("cat", "dog"):
                (path.parent / name).mkdir(exist_ok=True)
                _write(path.parent / name / path.name, pixels)
            path.unlink()


def _rotated(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(image(root)) as file:
        file.save(image(root).with_suffix(".jpg"), exif=exif)
    image(root).unlink()


def _smooth(root: Path, count: int, names: Callable[[str, int], str]) -> None:
    """Images of one slowly moving scene, in train and val."""
    rng, wide = np.random.default_rng(1), np.zeros((24, 400), dtype=np.float32)
    for _ in range(80):
        row, column, value = rng.integers(0, 16), rng.integers(0, 380), rng.integers(0, 256)
        wide[row : row + 8, column : column + 20] = value
    for split, first in (("train", 0), ("val", count)):
        for folder in ("images", "masks"):
            _remove(root / folder / split)
            (root / folder / split).mkdir()
        for number in range(first, first + count):
            scene = wide[:, 4 * number : 4 * number + 32]
            _write(image(root, names(split, number), split), np.repeat(scene[..., None], 3, axis=2).astype(np.uint8))
            _write(mask(root, names(split, number), split), (scene > 128).astype(np.uint8))


def _saved_anew(root: Path) -> None:
    with Image.open(image(root)) as file:
        file.resize((64, 48)).save(root / "images" / "val" / "again.jpg")
    with Image.open(mask(root)) as file:
        file.resize((64, 48), Image.Resampling.NEAREST).save(mask(root, "again", "val"))


def _nothing(_root: Path) -> None:
    """The files are sound, their description is not."""


CASES: dict[str, Case] = {
    # folders and names
    "no such root": Case(_remove),
    "root is a file": Case(lambda root: (_remove(root), root.write_text("x"))),
    "root is empty": Case(lambda root: (_remove(root), root.mkdir())),
    "no folder of masks": Case(lambda root: _remove(root / "masks")),
    "no images in a split": Case(lambda root: [path.unlink() for path in (root / "images" / "train").iterdir()]),
    "files of another suffix": Case(
        lambda root: [path.rename(path.with_suffix(".gif")) for path in (root / "images").rglob("*.png")]
    ),
    "val but no train": Case(lambda root: (_remove(root / "images" / "train"), _remove(root / "masks" / "train"))),
    "files beside the splits": Case(lambda root: image(root).rename(root / "images" / "b.png")),
    "an image without a mask": Case(lambda root: mask(root).unlink()),
    "a mask without an image": Case(lambda root: image(root).unlink()),
    "masks of other names": Case(
        lambda root: [path.rename(path.with_stem(f"{path.stem}_mask")) for path in (root / "masks").rglob("*.png")]
    ),
    "two images of one name": Case(lambda root: Image.open(image(root)).save(image(root).with_suffix(".jpg"))),
    "a flat folder of one sample": Case(lambda root: _flat(root, 1)),
    "no val and no share for it": Case(
        lambda root: (_remove(root / "images" / "val"), _remove(root / "masks" / "val")), ("data.val_share=0",)
    ),
    "a folder named like an image": Case(lambda root: (image(root).unlink(), image(root).mkdir())),
    "a link to nowhere": Case(lambda root: _link(image(root), "gone.png")),
    "a link to itself": Case(lambda root: _link(mask(root), "b.png")),
    "no folder for a class": Case(
        lambda root: (_multilabel(root, 1), _remove(root / "masks" / "val" / "dog")),
        base=("data.class_names=[cat,dog]", "data.task=multilabel"),
    ),
    # files that cannot be read
    "an empty image file": Case(lambda root: image(root).write_bytes(b"")),
    "an empty mask file": Case(lambda root: mask(root).write_bytes(b"")),
    "text named like an image": Case(lambda root: image(root).write_text("<html>404</html>")),
    "text named like a mask": Case(lambda root: mask(root).write_text("version https://git-lfs.github.com/spec/v1")),
    "a truncated PNG": Case(lambda root: _half(image(root))),
    "a truncated mask": Case(lambda root: _half(mask(root))),
    "a truncated JPEG": Case(
        lambda root: (_one(root, "images", lambda a: a, ".jpg"), _half(image(root).with_suffix(".jpg")))
    ),
    "a truncated TIFF": Case(
        lambda root: (_one(root, "images", lambda a: a, ".tif"), _half(image(root).with_suffix(".tif")))
    ),
    "text named like a TIFF": Case(
        lambda root: (image(root).unlink(), image(root).with_suffix(".tif").write_text("II no"))
    ),
    "a TIFF of two images": Case(_pages),
    "two broken files in two splits": Case(lambda root: (_half(image(root)), _half(mask(root, "v", "val")))),
    # images of another kind
    "sizes that differ": Case(lambda root: _one(root, "masks", lambda a: a[:-1])),
    "a transposed mask": Case(lambda root: _one(root, "masks", lambda a: a.T.copy())),
    "a pattern that is none": Case(_nothing, ("+data.group_pattern='('",)),
    "more pixels than allowed": Case(_nothing, ("+data.max_pixels=100",)),
    "grey images, three channels": Case(
        lambda root: _all(root, "images", lambda a: a[..., 0].astype(np.uint16) * 200),
    ),
    "colour images, one channel": Case(_nothing, ("data.mean=[0]", "data.std=[1]", "+data.channels=[1]")),
    "four channels in a TIFF": Case(
        lambda root: _one(root, "images", lambda a: np.dstack([a, a[..., 0]]), ".tif"),
    ),
    "32-bit integers": Case(lambda root: _one(root, "images", lambda a: a.astype(np.int32), ".tif")),
    "NaN": Case(lambda root: _one(root, "images", lambda a: np.where(a > 150, np.nan, a).astype(np.float32), ".tif")),
    "infinity": Case(
        lambda root: _one(root, "images", lambda a: np.where(a > 150, np.inf, a).astype(np.float32), ".tif")
    ),
    "types that differ": Case(lambda root: _one(root, "images", lambda a: a.astype(np.uint16), ".tif")),
    # masks of another kind
    "masks of 0 and 255": Case(lambda root: _all(root, "masks", lambda a: a * np.uint8(255))),
    "labels that count from 1": Case(lambda root: _all(root, "masks", lambda a: a + np.uint8(1))),
    "a label without a name": Case(lambda root: _one(root, "masks", lambda a: a * np.uint8(7))),
    "labels stretched to grey": Case(
        lambda root: _all(
            root, "masks", lambda a: np.tile(np.array([0, 127, 254, 254], dtype=np.uint8), a.size // 4).reshape(a.shape)
        ),
        base=THREE,
    ),
    "a smoothed mask": Case(
        lambda root: _one(root, "masks", lambda a: np.linspace(0, 255, a.size).astype(np.uint8).reshape(a.shape))
    ),
    "a photograph for a mask": Case(lambda root: mask(root).write_bytes(image(root).read_bytes())),
    "a JPEG mask": Case(lambda root: _one(root, "masks", lambda a: a, ".jpg")),
    "a colour that has no label": Case(
        lambda root: _all(root, "masks", lambda a: np.repeat(a[..., None] * np.uint8(128), 3, axis=2)),
        ("+data.colours={0: [0, 0, 0], 1: [255, 0, 0]}",),
    ),
    "a mask with transparency": Case(
        lambda root: Image.open(mask(root)).convert("LA").save(mask(root)),
    ),
    "a float mask": Case(lambda root: _one(root, "masks", lambda a: a.astype(np.float32), ".tif")),
    "a mask with -1": Case(lambda root: _one(root, "masks", lambda a: a.astype(np.int16) - 1, ".tif")),
    "a 16-bit label": Case(lambda root: _one(root, "masks", lambda a: a.astype(np.uint16) * 1000)),
    "multilabel masks of 0 and 255": Case(
        lambda root: _multilabel(root, 255), base=("data.class_names=[cat,dog]", "data.task=multilabel")
    ),
    "all void": Case(lambda root: _all(root, "masks", lambda a: np.full_like(a, 255)), ("data.void=255",)),
    "no foreground": Case(lambda root: _all(root, "masks", np.zeros_like)),
    # descriptions
    "root not given": Case(_nothing, ("data.root=???",)),
    "no such data set": Case(_nothing, ("data=foldr",)),
    "an unknown key": Case(_nothing, ("+data.clas_names=[a,b]",)),
    "an unknown task": Case(_nothing, ("data.task=instance",)),
    "three classes in binary": Case(_nothing, THREE),
    "a class named twice": Case(_nothing, ("data.class_names=[a,a]",), base=()),
    "a map out of the classes": Case(_nothing, ("data.label_map={0: 0, 1: 5}",)),
    "void out of range": Case(_nothing, ("data.void=-1",)),
    "mean of one channel": Case(_nothing, ("data.mean=[100]",)),
    "std of 0": Case(_nothing, ("data.mean=[1,1,1]", "data.std=[1,1,0]")),
    "shares above 1": Case(_nothing, ("data.val_share=1.5",)),
    "fold without folds": Case(_nothing, ("+data.fold=0",)),
    "more folds than samples": Case(_nothing, ("+data.fold=0", "+data.folds=50")),
    "groups that match no name": Case(_nothing, ("+data.group_pattern=patient",)),
    "a folder of inputs missing": Case(
        _nothing,
        ("+data.inputs=[images,depth]", "+data.channels=[3,1]", "data.mean=[0,0,0,0]", "data.std=[1,1,1,1]"),
    ),
    # what only a check finds
    "an image in two splits": Case(lambda root: image(root, "u", "val").write_bytes(image(root).read_bytes())),
    "an image saved anew": Case(_saved_anew, trains=True),
    "a divided video": Case(lambda root: _smooth(root, 8, lambda _, number: f"cam_{number:03d}"), trains=True),
    "an image twice": Case(lambda root: image(root, "c").write_bytes(image(root).read_bytes()), trains=True),
    "a class without pixels": Case(_nothing, base=THREE, trains=True),
    "a mask that is void everywhere": Case(
        lambda root: _one(root, "masks", lambda a: np.full_like(a, 255)), ("data.void=255",), trains=True
    ),
    "an EXIF rotation": Case(_rotated, trains=True),
    "a black image": Case(lambda root: _one(root, "images", np.zeros_like), trains=True),
    "floats of 0 to 1": Case(
        lambda root: _all(root, "images", lambda a: (a / 255).astype(np.float32), ".tif"), trains=True
    ),
    "8-bit values in 16 bits": Case(
        lambda root: _all(root, "images", lambda a: a.astype(np.uint16), ".tif"), trains=True
    ),
}


def words_of(case: Case, root: Path) -> list[str]:
    """The command line after the verb."""
    return ["data=folder", f"data.root={root}", *case.base, *case.words]


def outcome(case: Case, folder: Path) -> tuple[int, str, str]:
    """Breaks a sound data set below `folder` and checks it.

    Returns:
        Exit code; the problems, by the table's names; the messages with the root as `<root>`.
    """
    root = folder / "set"
    write_sound(root)
    case.spoil(root)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["data", "check", *words_of(case, root), *(["strict=true"] if case.trains else [])])
    lines = [line for line in (err.getvalue() + out.getvalue()).splitlines() if re.match("error: |warning: ", line)]
    shown = [line.replace(str(root), "<root>") for line in lines if "strict=true" not in line]
    rows = re.findall(r"│ (?:error|warning) +│ (\w[^│]*?) +│", out.getvalue())
    return code, ", ".join(dict.fromkeys(rows)) or "description", "<br>".join(shown)


def row(name: str, case: Case, problem: str, message: str) -> str:
    """A line of the table."""
    return f"| {name} | {problem} | {message.replace('|', chr(92) + '|')} | {'goes on' if case.trains else 'refused'} |"


if __name__ == "__main__":
    rows = []
    for title, broken in CASES.items():
        with tempfile.TemporaryDirectory() as scratch:
            exit_code, problems, text = outcome(broken, Path(scratch))
        if exit_code != 2:
            sys.exit(f"{title}: exit code {exit_code}: {text}")
        rows.append(row(title, broken, problems, text))
    TABLE.write_text(HEAD + "\n".join(rows) + "\n")
    print(f"{len(rows)} cases: {TABLE}")
