"""Pairs files whose names differ by more than their suffix, and takes those that an owner's list names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from litseg.data.checking.findings import counted
from litseg.data.source import Pair


def inner(root: Path, name: str) -> Path:
    """`root/name` where there is such a folder, else `root`: archives bring a folder of their own, or it was moved."""
    return root / name if (root / name).is_dir() else root


def files_by_name(folder: Path, pattern: str) -> dict[str, Path]:
    """Files that match, by their name without what follows the pattern's last star, sorted.

    Args:
        folder: where they are.
        pattern: as for `Path.glob`, such as `*_1stHO.png` or `*/*_leftImg8bit.png`.

    Raises:
        ValueError: the folder is missing, no file matches, or two files have the same name.
    """
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}: expected files {pattern} there; check data.root")
    ending = pattern.rpartition("*")[2]
    paths = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    if not paths:
        raise ValueError(f"{folder}: expected files {pattern}, found none; check data.root")
    files = {path.name.removesuffix(ending): path for path in paths}
    if len(files) < len(paths):
        raise ValueError(f"{folder}: {len(paths) - len(files)} files {pattern} share a name; keep one of each")
    return files


def listed_names(path: Path) -> list[str]:
    """The first word of each line of an owner's list, in its order.

    Raises:
        ValueError: there is no such file, or it names nothing.
    """
    if not path.is_file():
        raise ValueError(f"no file {path}: expected the owner's list of names there; check data.root")
    lines = path.read_text(encoding="utf-8").splitlines()
    names = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    if not names:
        raise ValueError(f"{path}: expected a name on each line, it is empty; restore the file")
    return names


def matched(
    images: Mapping[str, Path], masks: Mapping[str, Path], names: Sequence[str] | None = None, where: str = ""
) -> list[Pair]:
    """Each image with its mask.

    Args:
        images: image files by name.
        masks: mask files by name.
        names: which to take, in this order; None: all, and then no mask may be without its image.
        where: the folder or list that a message names.

    Raises:
        ValueError: an image or a mask that is missing, naming up to three of them.
    """
    wanted = list(images) if names is None else list(names)
    extra = [name for name in masks if name not in images] if names is None else []
    missing_image, missing_mask = ([name for name in wanted if name not in files] for files in (images, masks))
    for what, lacking in (("image", missing_image + extra), ("mask", missing_mask)):
        if lacking:
            some = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
            raise ValueError(f"{where}: {counted(len(lacking), 'sample')} without {what}: {some}; restore the files")
    return [Pair(name, (images[name],), (masks[name],)) for name in wanted]
