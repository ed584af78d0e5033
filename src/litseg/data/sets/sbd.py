"""Converts the .mat annotations of the Semantic Boundaries Dataset to PNGs of VOC's labels."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from litseg.data.checking.findings import counted
from litseg.data.machine import cache_folder, write_folder

BROKEN = (  # of loadmat
    MatReadError, OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, zlib.error,
)  # fmt: skip


def masks_as_png(files: Mapping[str, Path]) -> dict[str, Path]:
    """A PNG in the cache for each .mat file, written on the first call: other files are images, and this one is not.

    Args:
        files: .mat files by name.

    Raises:
        ValueError: a file that is missing or holds no segmentation, naming it.
    """
    if missing := [path for path in files.values() if not path.is_file()]:
        raise ValueError(f"SBD: {counted(len(missing), 'annotation')} missing, such as {missing[0]}; restore them")
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files.values()]
    key = hashlib.sha256(json.dumps(stats).encode()).hexdigest()[:32]
    folder = cache_folder() / "sbd" / key
    if not folder.is_dir():
        write_folder(folder, lambda path: _convert(files, path))
    return {name: folder / f"{name}.png" for name in files}


def _convert(files: Mapping[str, Path], folder: Path) -> None:
    for name, path in files.items():
        Image.fromarray(_segmentation(path)).save(folder / f"{name}.png")


def _segmentation(path: Path) -> NDArray[np.uint8]:
    """GTcls.Segmentation, (H, W) with VOC's labels 0 to 20."""
    try:
        labels = np.asarray(loadmat(path, variable_names=["GTcls"])["GTcls"][0]["Segmentation"][0])
    except BROKEN as error:
        raise ValueError(f"{path}: expected GTcls.Segmentation of SBD, got {error!r}; restore the file") from error
    if labels.ndim != 2 or labels.dtype != np.uint8 or labels.max(initial=0) > 20:
        raise ValueError(
            f"{path}: expected (H, W) labels of 0 to 20, got {labels.dtype} {labels.shape}; restore the file"
        )
    return labels
