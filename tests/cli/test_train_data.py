"""Training on data that is not RGB, or has no validation split: the whole command, end to end."""

import json
from pathlib import Path

import numpy as np
import tifffile
import torch
import yaml
from PIL import Image

from tests.cli.conftest import TINY, RunTrain, only_run
from tests.conftest import WriteTree

NAMES = "data.class_names=[background,object]"


def _labels(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 2, (8, 8)), np.ones((4, 4), dtype=np.int64))


def test_six_bands_of_uint16(run_train: RunTrain, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / "bands" / kind).mkdir(parents=True)
    for index in range(12):
        labels = _labels(rng)
        bands = rng.integers(0, 4000, (32, 32, 6)) + 30000 * labels[..., None] * np.array([0, 0, 0, 0, 0, 1])
        tifffile.imwrite(
            tmp_path / "bands/images" / f"{index}.tif",
            bands.astype(np.uint16),
            photometric="minisblack",
            planarconfig="contig",
        )
        Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "bands/masks" / f"{index}.png")
    numbers = (
        "++data.channels=[6]",
        "data.mean=[2000,2000,2000,2000,2000,17000]",
        "data.std=[1e3,1e3,1e3,1e3,1e3,1e4]",
    )
    words = (*TINY, "data=folder", "data.root=bands", NAMES, *numbers, "augmentation=flips", "loss=ce", "seed=0")
    assert run_train(*words, "trainer.max_epochs=8", "optimizer.lr=2e-3") == 0
    folder = only_run(tmp_path)
    checkpoint = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert checkpoint["model.network.encoder.conv1.weight"].shape[1] == 6
    assert checkpoint["model.mean"].flatten().tolist() == [2000.0] * 5 + [17000.0]
    # the label shows in the sixth band alone, above what 8 bits hold
    assert json.loads((folder / "result.json").read_text())["metrics"]["val"]["miou"] > 0.8
    (picture,) = (folder / "predictions").glob("*.png")
    with Image.open(picture) as opened:
        assert np.ptp(np.asarray(opened)[30:200, 10:200]) > 100


def test_rgb_and_depth(run_train: RunTrain, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for split, count in (("train", 8), ("val", 2), ("test", 2)):
        for folder in ("rgb", "depth", "masks"):
            (tmp_path / "rgbd" / folder / split).mkdir(parents=True)
        for index in range(count):
            labels = _labels(rng)
            image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / f"rgbd/rgb/{split}/{index}.jpg")
            Image.fromarray((500 + 3000 * labels).astype(np.uint16)).save(tmp_path / f"rgbd/depth/{split}/{index}.png")
            Image.fromarray(labels.astype(np.uint8)).save(tmp_path / f"rgbd/masks/{split}/{index}.png")
    inputs = ("++data.inputs=[rgb,depth]", "++data.channels=[3,1]", "data.mean=[127,127,127,2000]")
    words = (*TINY, "data=folder", "data.root=rgbd", NAMES, *inputs, "data.std=[74,74,74,1500]", "augmentation=hflip")
    assert run_train(*words, "loss=dice", "trainer.max_epochs=8", "optimizer.lr=2e-3") == 0
    assert json.loads((only_run(tmp_path) / "result.json").read_text())["metrics"]["val"]["miou"] > 0.8


def test_without_a_validation_split_the_last_checkpoint_is_tested(
    run_train: RunTrain, write_folder: WriteTree, tmp_path: Path
) -> None:
    words = (*TINY, "data=folder", f"data.root={write_folder()}", NAMES, "data.val_share=0", "loss=ce")
    assert run_train(*words, "trainer.max_epochs=2") == 0
    folder = only_run(tmp_path)
    result = json.loads((folder / "result.json").read_text())
    assert set(result["metrics"]) == {"test"}
    assert result["monitor"] == {"name": None, "value": None}
    best, last = (
        torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
        for name in ("best", "last")
    )
    assert all(torch.equal(best[key], last[key]) for key in last)
    assert "the last checkpoint is the one that is tested" in (folder / "log.txt").read_text()


def test_a_fold_is_the_validation_split(run_train: RunTrain, write_folder: WriteTree, tmp_path: Path) -> None:
    words = (*TINY, "data=folder", f"data.root={write_folder(count=12)}", NAMES, "loss=ce", "data.test_share=0")
    assert run_train(*words, "++data.fold=1", "++data.folds=3") == 0
    folder = only_run(tmp_path)
    assert json.loads((folder / "result.json").read_text())["data"]["samples"] == {"train": 8, "val": 4}
    assert yaml.safe_load((folder / "config.yaml").read_text())["data"]["fold"] == 1
