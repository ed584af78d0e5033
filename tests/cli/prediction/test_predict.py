"""`litseg predict` on runs that were really trained, on good, bad and strange images."""

import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
import torch.nn.functional as F
from PIL import Image

from litseg.cli.load_run import load_run
from litseg.cli.main import main
from litseg.cli.training.open_run import CHECKPOINT, RUN_FOLDER
from tests.cli.conftest import TINY, TINY_SHAPES, only_run

NETWORK = "model._target_=tests.cli.fault.tiny_network"
CPU = ("trainer.accelerator=cpu", "trainer.precision=32-true", "trust=[tests.cli.fault.tiny_network]")


def train(folder: Path, *words: str) -> Path:
    from litseg.cli.train import main as train_main

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HYDRA_FULL_ERROR", "1")
        for name in (RUN_FOLDER, CHECKPOINT):
            patch.setenv(name, "")
        patch.setattr(sys, "argv", ["train.py", *words, *TINY, *TINY_SHAPES, NETWORK])
        assert train_main() == 0
    return only_run(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("multiclass"), "experiment=unet_ce")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name, size in (("a.png", (40, 50)), ("b.jpg", (33, 70)), ("more/c.bmp", (64, 64))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def predict(run: Path, given: Path | str, output: Path, *words: str) -> int:
    return main(["predict", f"run={run}", f"input={given}", f"output={output}", *CPU, *words])


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def expected(run: Path, image: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    model = load_run(run, device="cpu", trust=["tests.cli.fault.tiny_network"]).model
    pixels = torch.from_numpy(np.array(Image.open(image).convert("RGB"))).permute(2, 0, 1)
    return model(pixels[None])[0].argmax(0).numpy().astype(np.uint8)  # type: ignore[no-any-return]


def test_a_folder_becomes_a_folder_of_label_pngs(run: Path, photos: Path, tmp_path: Path) -> None:
    assert predict(run, photos, tmp_path / "out") == 0
    assert files(tmp_path / "out") == ["a.png", "b.png", "more/c.png", "predictions.json"]
    palette = load_run(run, device="cpu", trust=["tests.cli.fault.tiny_network"]).facts.palette
    for name in ("a.png", "more/c.bmp"):
        with Image.open((tmp_path / "out" / name).with_suffix(".png")) as labels:
            assert labels.mode == "P"
            assert np.array_equal(np.array(labels), expected(run, photos / name))
            shown = labels.getpalette()
        assert shown is not None
        assert np.array_equal(np.reshape(shown[: 3 * len(palette)], (-1, 3)), palette)
    record = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert (record["run"], record["checkpoint"]["file"].startswith("best")) == (run.name, True)


def test_probabilities_overlays_windows_and_views(run: Path, photos: Path, tmp_path: Path) -> None:
    words = ("probabilities=true", "overlays=true", "window=32", "overlap=0.5", "batch=3", "tta=[hflip,0.75]")
    assert predict(run, photos / "a.png", tmp_path / "out", *words) == 0
    assert files(tmp_path / "out") == ["a.png", "a_overlay.png", "a_probabilities.tif", "predictions.json"]
    shares = tifffile.imread(tmp_path / "out" / "a_probabilities.tif")
    assert (shares.shape, str(shares.dtype)) == ((6, 40, 50), "uint16")
    np.testing.assert_allclose(shares.sum(axis=0) / 65535, 1, atol=1e-4)
    best = np.array(Image.open(tmp_path / "out" / "a.png"))
    assert (np.take_along_axis(shares, best[None], 0)[0] == shares.max(axis=0)).all()
    with Image.open(tmp_path / "out" / "a_overlay.png") as overlay:
        assert (overlay.mode, overlay.size) == ("RGB", (50, 40))


def test_bad_images_are_named_and_the_others_predicted(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "d.png").write_bytes((photos / "a.png").read_bytes()[:500])
    (photos / "e.png").write_bytes(b"")
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(photos / "f.png")
    tifffile.imwrite(photos / "g.tif", np.zeros((9, 9, 6), np.uint8), photometric="minisblack", planarconfig="contig")
    tifffile.imwrite(photos / "h.tif", np.zeros((9, 9, 3), np.uint16), photometric="rgb")
    assert predict(run, photos, tmp_path / "out") == 2
    shown = capsys.readouterr()
    assert "3 predicted, 0 there already, 5 refused" in shown.out
    for name, reason in (
        ("d.png", "restore the file"), ("e.png", "the file is empty"), ("f.png", "expected 3 channels, got mode I;16"),
        ("g.tif", "expected 3 channels of uint8, as in training, got 6 of uint8"),
        ("h.tif", "expected 3 channels of uint8, as in training, got 3 of uint16"),
    ):  # fmt: skip
        (line,) = [line for line in shown.err.splitlines() if name in line]
        assert line.startswith("refused: ")
        assert reason in line
    assert files(tmp_path / "out") == ["a.png", "b.png", "more/c.png", "predictions.json"]


def test_a_second_run_goes_on_and_destroys_nothing(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert predict(run, photos, output) == 0
    (output / "b.png").unlink()
    os.utime(output / "a.png", (1, 1))
    assert predict(run, photos, output) == 0
    assert "1 predicted, 2 there already" in capsys.readouterr().out
    assert (output / "a.png").stat().st_mtime == 1
    assert predict(run, photos, output, "overlays=true") == 0  # what is wanted more, is made
    assert (output / "more" / "c_overlay.png").is_file()
    os.utime(output / "a.png", (1, 1))
    assert predict(run, photos, output, "window=32") == 2
    assert "has predictions of window None, now 32; choose another" in capsys.readouterr().err
    assert (output / "a.png").stat().st_mtime == 1
    assert predict(run, photos, output, "window=32", "continue=false") == 0
    assert (output / "a.png").stat().st_mtime != 1


def test_a_geotiff_keeps_its_place(run: Path, tmp_path: Path) -> None:
    tags = [(33550, 12, 3, (2.0, 2.0, 0.0), True), (33922, 12, 6, (0.0, 0.0, 0.0, 4e5, 5e6, 0.0), True),
            (34735, 3, 4, (1, 1, 0, 0), True)]  # fmt: skip
    pixels = np.random.default_rng(0).integers(0, 256, (45, 60, 3), dtype=np.uint8)
    (tmp_path / "maps").mkdir()
    tifffile.imwrite(tmp_path / "maps" / "map.tif", pixels, photometric="rgb", extratags=tags)
    tifffile.imwrite(tmp_path / "maps" / "plain.tif", pixels, photometric="rgb", compression="lzw")
    assert predict(run, f"{tmp_path}/maps/*.tif", tmp_path / "out", "overlays=true") == 0
    assert files(tmp_path / "out") == [
        "map.tif", "map_overlay.png", "plain.png", "plain_overlay.png", "predictions.json"
    ]  # fmt: skip
    with tifffile.TiffFile(tmp_path / "out" / "map.tif") as labels:
        assert labels.geotiff_metadata is not None
        assert labels.geotiff_metadata["ModelPixelScale"] == [2.0, 2.0, 0.0]
        assert np.array_equal(labels.asarray(), np.array(Image.open(tmp_path / "out" / "plain.png")))


@pytest.mark.parametrize(("task", "bands"), [("binary", 1), ("multilabel", 5)])
def test_other_tasks(tmp_path: Path, photos: Path, task: str, bands: int) -> None:
    folder = train(tmp_path, f"experiment=shapes_{task}")
    assert predict(folder, photos / "a.png", tmp_path / "out", "probabilities=true", "overlays=true") == 0
    shares = tifffile.imread(tmp_path / "out" / "a_probabilities.tif").reshape(bands, 40, 50)
    found = np.array(Image.open(tmp_path / "out" / "a.png")) if bands == 1 else tifffile.imread(tmp_path / "out/a.tif")
    clear = np.abs(shares.astype(int) - 32767.5) > 1
    assert np.array_equal(found.reshape(bands, 40, 50)[clear], (shares > 32767)[clear])


def test_images_are_resized_as_in_training_and_labels_are_not(tmp_path: Path, photos: Path) -> None:
    folder = train(tmp_path, "experiment=unet_ce", "+data.resize=[32,32]")
    assert predict(folder, photos / "b.jpg", tmp_path / "out") == 0
    found = np.array(Image.open(tmp_path / "out" / "b.png"))
    assert found.shape == (33, 70)
    model = load_run(folder, device="cpu", trust=["tests.cli.fault.tiny_network"]).model
    small = cv2.resize(np.array(Image.open(photos / "b.jpg")), (32, 32), interpolation=cv2.INTER_AREA)
    logits = model(torch.from_numpy(small).permute(2, 0, 1)[None])
    large = F.interpolate(logits.softmax(1), (33, 70), mode="bilinear")[0].argmax(0).numpy()
    assert (found == large).mean() > 0.999  # two rows of weights, computed in another order
    assert (found != expected(folder, photos / "b.jpg")).any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected output="),
        (("output=out",), "expected input="),
        (("input=nowhere", "output=out"), "input: expected a file, a folder or a glob"),
        (("input=photos/*.gif", "output=out"), "input: no images"),
        (("input=photos", "output=photos"), "output: expected another folder than the input's"),
        (("input=photos/a.png", "output=photos"), "would take the place of"),
        (("input=twice", "output=out"), "would both become"),
        (("input=photos", "output=photos/a.png"), "output: expected a folder, got the file"),
        (("input=photos", "output=out", "windw=3"), "did you mean window=?"),
        (("input=photos", "output=out", "window=0"), "window: expected a whole number of at least 1, got 0"),
        (("input=photos", "output=out", "overlap=1"), "overlap: expected a share"),
        (("input=photos", "output=out", "blending=hann"), "blending: expected one of gaussian, uniform"),
        (("input=photos", "output=out", "tta=[flip]"), "tta: expected hflip, vflip, rot180 or scales"),
        (("input=photos", "output=out", "overlays=yes"), "overlays: expected one of true, false"),
        (("input=photos", "output=out", "run=photos"), "expected a run folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_end_in_one_message(
    run: Path, photos: Path, words: tuple[str, ...], message: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(photos.parent)
    (photos.parent / "twice").mkdir()
    for name in ("a.png", "a.bmp"):
        shutil.copy(photos / "a.png", photos.parent / "twice" / name)
    before = {path: path.read_bytes() for path in photos.rglob("*.*")}
    assert main(["predict", f"run={run}", *CPU, *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert {path: path.read_bytes() for path in photos.rglob("*.*")} == before
