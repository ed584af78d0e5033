"""Pairs image files with mask files by their names."""

from collections.abc import Sequence
from pathlib import Path

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


def pair_files(images: Path, masks: Sequence[Path]) -> list[Pair]:
    """Every image of a folder with its mask, or with one mask from each of several folders (multilabel).

    Raises:
        ValueError: no image, an image without a mask or a mask without an image, naming up to three of them.
    """
    by_stem = files_by_stem(images)
    mask_folders = [files_by_stem(folder) for folder in masks]
    if not by_stem:
        raise ValueError(f"{images} holds no image: expected files ending in {', '.join(IMAGE_SUFFIXES)}")
    for folder, mask_files in zip(masks, mask_folders, strict=True):
        if missing := [name for name in by_stem if name not in mask_files]:
            raise ValueError(f"{len(missing)} images of {images} have no mask in {folder}: {_some(missing)}")
        if extra := [name for name in mask_files if name not in by_stem]:
            raise ValueError(f"{len(extra)} masks of {folder} have no image in {images}: {_some(extra)}")
    return [Pair(stem, path, tuple(files[stem] for files in mask_folders)) for stem, path in by_stem.items()]


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
