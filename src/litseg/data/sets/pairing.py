"""Pairs image files with mask files by their names."""

from collections.abc import Sequence
from pathlib import Path

from litseg.data.checking.findings import counted
from litseg.data.source import IMAGE_SUFFIXES, Pair


def files_by_stem(folder: Path) -> dict[str, Path]:
    """Image files directly in `folder`, by name without suffix, sorted.

    Raises:
        ValueError: the folder is missing, or two files share a stem.
    """
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}: expected image files there; check data.root")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            if path.stem in files:
                raise ValueError(f"{folder}: {files[path.stem].name} and {path.name} share a name; keep one of them")
            files[path.stem] = path
    return files


def pair_files(images: Path | Sequence[Path], masks: Sequence[Path]) -> list[Pair]:
    """Every image of a folder with its mask, or with one file from each of several folders.

    Args:
        images: one folder, or several whose files of one name are stacked into one input.
        masks: one folder, or one per class (multilabel).

    Raises:
        ValueError: no image, an image without a mask or a mask without an image, naming up to three of them.
    """
    image_folders = [images] if isinstance(images, Path) else list(images)
    first = image_folders[0]
    by_stem = files_by_stem(first)
    if not by_stem:
        raise ValueError(f"{first} holds no image: expected files ending in {', '.join(IMAGE_SUFFIXES)}")
    inputs = [by_stem, *(_matching(folder, "image", by_stem, first) for folder in image_folders[1:])]
    targets = [_matching(folder, "mask", by_stem, first) for folder in masks]
    return [Pair(stem, tuple(f[stem] for f in inputs), tuple(f[stem] for f in targets)) for stem in by_stem]


def _matching(folder: Path, what: str, by_stem: dict[str, Path], images: Path) -> dict[str, Path]:
    """The files of `folder`, which must have the names of the images."""
    files = files_by_stem(folder)
    if missing := [name for name in by_stem if name not in files]:
        raise ValueError(f"{counted(len(missing), 'image')} of {images} without a {what} in {folder}: {_some(missing)}")
    if extra := [name for name in files if name not in by_stem]:
        raise ValueError(f"{counted(len(extra), what)} of {folder} without an image in {images}: {_some(extra)}")
    return files


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
