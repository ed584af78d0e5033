"""Memory of a large TIFF, and what a kill in the middle leaves; in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

ROOM = 600
"""MB that a prediction may take above the footprint after loading the model, whatever the size of the image."""


def write_noise(path: Path, side: int, layout: str) -> None:
    """Tile by tile or strip by strip: writing needs no more memory than reading is to need."""
    rng = np.random.default_rng(0)
    if layout == "in place":
        pixels = tifffile.memmap(path, shape=(side, side, 3), dtype=np.uint8, photometric="rgb")
        for top in range(0, side, 500):
            pixels[top : top + 500] = rng.integers(0, 256, (min(500, side - top), side, 3), dtype=np.uint8)
        return
    height, width = (256, 256) if layout == "tiled" else (16, side)

    def parts() -> Iterator[Any]:
        for top in range(0, side, height):
            for _ in range(0, side, width):
                if layout == "tiled":
                    yield rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
                else:  # tifffile takes strips one by one only when they are encoded
                    yield zlib.compress(rng.bytes(min(height, side - top) * width * 3))

    where: dict[str, Any] = {"tile": (256, 256)} if layout == "tiled" else {"rowsperstrip": height}
    tifffile.imwrite(
        path,
        parts(),
        shape=(side, side, 3),
        dtype=np.uint8,
        compression="zlib",
        photometric="rgb",
        maxworkers=1,
        **where,
    )


def start(image: Path, output: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.inference.predict_large", str(image), str(output), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def added(image: Path, output: Path, *words: str) -> float:
    process = start(image, output, *words)
    printed, _ = process.communicate(timeout=3000)
    assert process.returncode == 0
    found = json.loads(printed)
    print(found)
    return float(found["peak"] - found["loaded"])


def test_memory_of_three_thousand_pixels_a_side(tmp_path: Path) -> None:
    write_noise(tmp_path / "image.tif", 3000, "tiled")
    assert added(tmp_path / "image.tif", tmp_path / "labels.tif", "6") < 250  # all probabilities would be 206 MB more
    with tifffile.TiffFile(tmp_path / "labels.tif") as labels:
        assert labels.pages.first.shape == (3000, 3000)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("layout", ["tiled", "stripped", "in place"])
def test_memory_of_ten_thousand_pixels_a_side(tmp_path: Path, layout: str) -> None:
    write_noise(tmp_path / "image.tif", 10_000, layout)
    assert added(tmp_path / "image.tif", tmp_path / "labels.tif", "19") < ROOM
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tif", "labels.tif"]


@pytest.mark.faults
def test_a_kill_leaves_no_half_output_and_the_next_run_makes_it(tmp_path: Path) -> None:
    write_noise(tmp_path / "image.tif", 3000, "tiled")
    process = start(tmp_path / "image.tif", tmp_path / "labels.tif", "6")
    raw = tmp_path / ".labels.tif.raw"
    until = time.monotonic() + 120
    while not (raw.exists() and raw.stat().st_size > 10**6):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "labels.tif").exists()
    assert added(tmp_path / "image.tif", tmp_path / "labels.tif", "6") < ROOM
    assert tifffile.imread(tmp_path / "labels.tif").shape == (3000, 3000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tif", "labels.tif"]
