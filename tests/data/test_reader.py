from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from litseg.data.reader import header_size, read_labels, read_pixels

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", [False, True])
def test_a_tiff_of_six_bands_keeps_its_values(tmp_path: Path, dtype: type, planar: bool) -> None:
    bands: np.ndarray = (RNG.random((5, 7, 6)) * 250).astype(dtype)
    path = tmp_path / "bands.tif"
    if planar:
        tifffile.imwrite(path, bands.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate")
    else:
        tifffile.imwrite(path, bands, photometric="minisblack", planarconfig="contig")
    pixels = read_pixels(path, 6)
    assert pixels.dtype == dtype
    assert np.array_equal(pixels, bands)
    assert header_size(path) == (5, 7)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd"])
def test_compressed_tiffs(tmp_path: Path, compression: str) -> None:
    bands = RNG.integers(0, 65535, (16, 16, 6)).astype(np.uint16)
    path = tmp_path / "bands.tif"
    tifffile.imwrite(path, bands, photometric="minisblack", planarconfig="contig", compression=compression)
    assert np.array_equal(read_pixels(path, 6), bands)


def test_big_endian_and_double_become_native_and_float32(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "big.tif", np.array([[1, 65535]], dtype=">u2"), byteorder=">")
    assert read_pixels(tmp_path / "big.tif", 1).tolist() == [[[1], [65535]]]
    tifffile.imwrite(tmp_path / "double.tif", np.array([[0.5, 2.0]]))
    assert read_pixels(tmp_path / "double.tif", 1).dtype == np.float32


def test_sixteen_bits_of_a_png_stay(tmp_path: Path) -> None:
    depth = np.array([[0, 256, 65535]], dtype=np.uint16)
    Image.fromarray(depth).save(tmp_path / "depth.png")
    pixels = read_pixels(tmp_path / "depth.png", 1)
    assert pixels.dtype == np.uint16
    assert pixels[..., 0].tolist() == depth.tolist()


def test_exif_orientation_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_pixels(tmp_path / "turned.jpg", 3).shape == (4, 8, 3)


@pytest.mark.parametrize(
    ("shape", "dtype", "channels", "message"),
    [
        ((4, 5, 6), np.uint8, 3, "expected 3 channels, got 4"),  # four pages of 5 x 6
        ((4, 5), np.int32, 1, "uint8, uint16 or float, got int32"),
        ((2, 4, 5, 3), np.uint8, 3, "one image|rows, columns and channels"),
    ],
)
def test_other_tiffs_are_refused(
    tmp_path: Path, shape: tuple[int, ...], dtype: type, channels: int, message: str
) -> None:
    tifffile.imwrite(tmp_path / "image.tif", np.zeros(shape, dtype), photometric="minisblack")
    with pytest.raises(ValueError, match=rf"image\.tif.*({message})"):
        read_pixels(tmp_path / "image.tif", channels)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_truncated_and_empty_files_are_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    if suffix == ".tif":
        tifffile.imwrite(path, noise, compression="zlib")
    else:
        Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf"cannot read .*image\{suffix}"):
        read_pixels(path, 3)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=rf"cannot read .*image\{suffix}"):
        read_pixels(path, 3)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_huge_images_are_refused_from_the_header(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, np.zeros((100, 100), np.uint8))
    else:
        Image.new("L", (100, 100)).save(path)
    message = r"at most 9,999 pixels, got 10,000.*data\.max_pixels"
    with pytest.raises(ValueError, match=message):
        read_pixels(path, 1, max_pixels=9999)
    with pytest.raises(ValueError, match=message):
        read_labels(path, max_pixels=9999)


def test_a_decompression_bomb_is_refused_without_being_decoded(tmp_path: Path) -> None:
    Image.new("1", (30000, 30000)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match=r"bomb\.png"):
        read_pixels(tmp_path / "bomb.png", 3)


def test_masks_painted_in_colours(tmp_path: Path) -> None:
    colours = {0: (0, 0, 0), 1: (128, 0, 0), 7: (0, 0, 128)}
    painted = np.array([[[0, 0, 128], [0, 0, 0], [128, 0, 0]]], dtype=np.uint8)
    Image.fromarray(painted).save(tmp_path / "mask.png")
    assert read_labels(tmp_path / "mask.png", colours).tolist() == [[7, 0, 1]]
    with pytest.raises(ValueError, match=r"2 pixels of colours without a label, such as \[0, 0, 128\]"):
        read_labels(tmp_path / "mask.png", {1: (128, 0, 0)})
    with pytest.raises(ValueError, match=r"give the label of each colour by 'data\.colours"):
        read_labels(tmp_path / "mask.png")


def test_labels_of_sixteen_bits_and_tiff_masks(tmp_path: Path) -> None:
    labels = np.array([[0, 300, 65535]], dtype=np.uint16)
    Image.fromarray(labels).save(tmp_path / "mask.png")
    tifffile.imwrite(tmp_path / "mask.tif", labels)
    assert read_labels(tmp_path / "mask.png").tolist() == labels.tolist()
    assert read_labels(tmp_path / "mask.tif").tolist() == labels.tolist()
    tifffile.imwrite(tmp_path / "float.tif", labels.astype(np.float32))
    with pytest.raises(ValueError, match="integer label ids, got float32"):
        read_labels(tmp_path / "float.tif")
