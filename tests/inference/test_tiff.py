"""Large TIFFs: every layout gives what the sliding window gives in memory; files are whole or absent."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from litseg.inference import (
    SCALE,
    TiffCanvas,
    TiffRegions,
    Windows,
    labels_of,
    paint,
    predictor,
    sliding_blocks,
    sliding_window,
)  # fmt: skip
from litseg.labels import Task
from tests.inference.networks import tiny_model

PALETTE = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))
LAYOUTS: dict[str, dict[str, Any]] = {
    "tiled": {"tile": (64, 48)},
    "tiled, deflate": {"tile": (64, 48), "compression": "deflate"},
    "tiled, deflate, predictor": {"tile": (64, 64), "compression": "deflate", "predictor": True},
    "tiled, lzw": {"tile": (64, 48), "compression": "lzw"},
    "stripped": {"rowsperstrip": 7},
    "stripped, deflate": {"rowsperstrip": 7, "compression": "deflate"},
    "one strip": {"rowsperstrip": 150},
    "one strip, deflate": {"rowsperstrip": 150, "compression": "deflate"},
    "planes": {"planarconfig": "separate"},
    "planes, tiled, deflate": {"planarconfig": "separate", "tile": (64, 48), "compression": "deflate"},
    "planes, stripped, lzw": {"planarconfig": "separate", "rowsperstrip": 7, "compression": "lzw"},
    "big-endian": {"byteorder": ">"},
    "big-endian, tiled, deflate": {"byteorder": ">", "tile": (64, 48), "compression": "deflate"},
    "bigtiff": {"bigtiff": True, "tile": (64, 48), "compression": "zstd"},
}


def write(path: Path, height: int = 150, width: int = 201, dtype: str = "uint8", **layout: Any) -> Any:
    """Returns the pixels (3, H, W)."""
    limit = 1000 if dtype == "uint16" else 256
    pixels = np.random.default_rng(0).integers(0, limit, (height, width, 3)).astype(dtype)
    shown = pixels.transpose(2, 0, 1) if layout.get("planarconfig") == "separate" else pixels
    tifffile.imwrite(path, shown, photometric="rgb", **layout)
    return pixels.transpose(2, 0, 1)


def predict_to(path: Path, image: TiffRegions) -> None:
    predict = predictor(tiny_model(), "multiclass")
    with TiffCanvas(path, 1, image.size, np.uint8) as canvas:
        paint(sliding_blocks(predict, image.read, image.size, 4, Windows(64)), "multiclass", canvas)
        canvas.finish(image.geo_tags, PALETTE, "labels: sky, road, car, tree")


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_reads_every_layout(tmp_path: Path, layout: dict[str, Any], dtype: str) -> None:
    pixels = write(tmp_path / "image.tif", dtype=dtype, **layout)
    with TiffRegions(tmp_path / "image.tif") as image:
        assert (image.size, image.channels, str(image.dtype)) == ((150, 201), 3, dtype)
        for top, left, height, width in ((0, 0, 150, 201), (0, 0, 1, 1), (60, 40, 30, 61), (149, 200, 1, 1)):
            expected = pixels[:, top : top + height, left : left + width]
            assert np.array_equal(image.read(top, left, height, width).numpy(), expected)


def test_reads_what_jpeg_tiles_and_one_channel_hold(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 100 * 120 * 3).reshape(100, 120, 3).astype(np.uint8)
    for name, array, how in (
        ("jpeg.tif", smooth, {"tile": (32, 32), "compression": "jpeg", "photometric": "rgb"}),
        ("ycbcr.tif", smooth, {"tile": (32, 32), "compression": "jpeg", "photometric": "ycbcr"}),
        ("grey.tif", smooth[..., 0], {"tile": (32, 32), "compression": "deflate"}),
        ("bands.tif", np.tile(smooth, 2), {"photometric": "minisblack", "planarconfig": "contig"}),
    ):
        tifffile.imwrite(tmp_path / name, array, **how)
        read = np.atleast_3d(tifffile.imread(tmp_path / name)).transpose(2, 0, 1)
        with TiffRegions(tmp_path / name) as image:
            assert np.array_equal(image.read(0, 0, 100, 120).numpy(), read), name


def test_an_image_with_overviews_is_one_image(tmp_path: Path) -> None:
    path, pixels = tmp_path / "cog.tif", np.zeros((64, 64, 3), np.uint8)
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, tile=(32, 32), photometric="rgb")
        file.write(pixels[::2, ::2], tile=(32, 32), photometric="rgb", subfiletype=1)
    with TiffRegions(path) as image:
        assert image.size == (64, 64)


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel"])
def test_equals_the_sliding_window_in_memory(tmp_path: Path, task: Task) -> None:
    pixels = write(tmp_path / "image.tif", tile=(64, 48), compression="deflate")
    channels = 1 if task == "binary" else 4
    predict, windows = predictor(tiny_model(channels), task), Windows(32, 0.5, batch=3, memory=4 * 4 * 32 * 100)
    done, bands = list[int](), channels if task == "multilabel" else 1
    with (
        TiffRegions(tmp_path / "image.tif") as image,
        TiffCanvas(tmp_path / "labels.tif", bands, image.size, np.uint8) as labels,
        TiffCanvas(tmp_path / "p.tif", channels, image.size, np.uint16) as probabilities,
    ):
        blocks = sliding_blocks(predict, image.read, image.size, channels, windows)
        paint(blocks, task, labels, probabilities, done.append)
        labels.finish()
        probabilities.finish()
    expected = sliding_window(predict, torch.from_numpy(pixels.copy()), channels, windows)
    assert np.array_equal(tifffile.imread(tmp_path / "labels.tif"), labels_of(expected, task).numpy())
    stored = tifffile.imread(tmp_path / "p.tif").reshape(channels, 150, 201)
    np.testing.assert_allclose(stored / SCALE, expected.numpy(), atol=0.51 / SCALE)
    assert sum(done) == 150 * 201
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tif", "labels.tif", "p.tif"]


def test_labels_are_tiled_deflated_coloured_and_where_the_image_was(tmp_path: Path) -> None:
    scale, tie = (33550, 12, 3, (0.5, 0.5, 0.0), True), (33922, 12, 6, (0.0, 0.0, 0.0, 4e5, 5e6, 0.0), True)
    keys = (34735, 3, 8, (1, 1, 0, 1, 3072, 0, 1, 25832), True)
    ascii_key = (34737, 2, 0, "ETRS89 / UTM zone 32N|", True)
    write(tmp_path / "image.tif", extratags=[scale, tie, keys, ascii_key])
    with TiffRegions(tmp_path / "image.tif") as image:
        predict_to(tmp_path / "l.tif", image)
    with tifffile.TiffFile(tmp_path / "l.tif") as file, tifffile.TiffFile(tmp_path / "image.tif") as given:
        page = file.pages.first.aspage()
        assert page.is_tiled
        assert (tifffile.COMPRESSION(page.compression).name, tifffile.PHOTOMETRIC(page.photometric).name) == (
            "ADOBE_DEFLATE",
            "PALETTE",
        )
        assert page.colormap is not None
        assert page.geotiff_tags is not None
        assert np.array_equal(page.colormap[:, :4].T // 257, PALETTE)
        assert file.geotiff_metadata == given.geotiff_metadata
        assert page.geotiff_tags["ProjectedCSTypeGeoKey"] == 25832
        assert page.description == "labels: sky, road, car, tree"


def test_refuses_what_it_cannot_work_in_parts(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "pages.tif", np.zeros((2, 40, 40, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(tmp_path / "int.tif", np.zeros((40, 40), np.int32))
    (tmp_path / "text.tif").write_text("no image")
    with tifffile.TiffWriter(tmp_path / "strip.tif") as file:
        file.write(np.zeros((7000, 7000, 3), np.uint8), photometric="rgb", rowsperstrip=7000, compression="deflate")
    for name, message in (
        ("pages.tif", "expected one image, got 2"),
        ("int.tif", "expected pixels of uint8, uint16 or float, got int32"),
        ("text.tif", "text.tif.*not a TIFF file"),
        ("strip.tif", "strips of 7000 x 7000 pixels are too large.*expected at most 64 MB.*got 140; convert it"),
    ):
        with pytest.raises(ValueError, match=message):
            TiffRegions(tmp_path / name)


@pytest.mark.parametrize("layout", ["stripped", "tiled, deflate"])
def test_a_damaged_file_leaves_nothing(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "image.tif"
    write(path, **LAYOUTS[layout])
    with tifffile.TiffFile(path) as file:
        cut = file.pages.first.dataoffsets[-1] + 2
    path.write_bytes(path.read_bytes()[:cut])
    with (
        TiffRegions(path) as image,
        pytest.raises(ValueError, match="image"),
    ):
        predict_to(tmp_path / "l.tif", image)
    assert [path.name for path in tmp_path.iterdir()] == ["image.tif"]
