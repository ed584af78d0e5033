import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from litseg.cli.errors import CONF
from tests.cli.conftest import TINY, TINY_SHAPES, RunTrain, only_run
from tests.conftest import WriteTree
from tests.data.sets.trees import TREES

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_one_step_of_every_experiment(run_train: RunTrain, tmp_path: Path, experiment: str) -> None:
    (name,) = re.findall(r"override /data: (\w+)", (CONF / "experiment" / f"{experiment}.yaml").read_text())
    data: tuple[str, ...] = TINY_SHAPES
    if name != "shapes":
        TREES[name].write(tmp_path / "tree")
        data = (f"data.root={tmp_path / 'tree'}",)
    assert run_train(f"experiment={experiment}", *TINY, *data, "trainer.max_steps=1") == 0
    result = json.loads((only_run(tmp_path) / "result.json").read_text())
    assert result["steps"] == 1
    split = "test" if "test" in result["metrics"] else "val"  # the nuclei of nested_unet have no test split
    assert 0 <= result["metrics"][split]["miou"] <= 1


def test_the_run_folder_holds_what_the_design_promises(run_train: RunTrain, tmp_path: Path) -> None:
    words = ("experiment=unet_weighted_ce", *TINY, *TINY_SHAPES, "trainer.max_epochs=2", "seed=0", "name=mine")
    assert run_train(*words, "trainer.log_every_n_steps=1") == 0
    folder = only_run(tmp_path)
    assert folder.parent.name == "unet_weighted_ce"
    assert folder.name.endswith(f"-{os.getpid()}-mine")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["seed"] == 0
    assert config["loss"]["class_weights"] == "median_frequency"
    assert json.loads((folder / "status.json").read_text())["state"] == "finished"
    result = json.loads((folder / "result.json").read_text())
    assert result["seed"] == 0
    assert (result["epochs"], result["steps"], result["device"], result["precision"]) == (2, 4, "cpu", "32-true")
    assert len(result["data"]["fingerprint"]) == 64
    assert len(result["class_weights"]["loss.class_weights"]["values"]) == 6
    assert result["monitor"] == {"name": "val/miou", "value": result["metrics"]["val"]["miou"]}
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"train/loss_step", "val/miou", "val/iou/wire", "lr-AdamW", "train/images_per_second"} <= set(rows[0])
    assert sum(1 for row in rows if row["train/loss_step"]) == 4
    for name in ("best", "last"):
        checkpoint = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert any(key.startswith("model.network.encoder") for key in checkpoint["state_dict"])
    (picture,) = (folder / "predictions").glob("*.png")
    with Image.open(picture) as opened:
        assert opened.width > 4 * 64
    log = (folder / "log.txt").read_text()
    assert "class weights (median_frequency)" in log
    assert "epoch   2/2" in log


def test_a_reported_score_is_that_of_the_best_checkpoint(run_train: RunTrain, tmp_path: Path) -> None:
    """Chosen by the smallest mIoU, the best epoch is not the last."""
    words = ("experiment=unet_ce", *TINY, *TINY_SHAPES, "trainer.max_epochs=4", "callbacks.checkpoint.mode=min")
    assert run_train(*words) == 0
    folder = only_run(tmp_path)
    with (folder / "metrics.csv").open() as file:
        seen = [float(row["val/miou"]) for row in csv.DictReader(file) if row["val/miou"]]
    result = json.loads((folder / "result.json").read_text())
    assert seen[3] != pytest.approx(min(seen[:4]), abs=1e-3)
    assert result["metrics"]["val"]["miou"] == pytest.approx(min(seen[:4]), abs=1e-6)


def test_without_a_test_split_val_is_pictured_and_last_holds_the_last_weights(
    run_train: RunTrain, write_folder: WriteTree, tmp_path: Path
) -> None:
    """Three epochs with a validation after the second only: last.ckpt must not stop there."""
    root = write_folder(count=10)
    for kind in ("images", "masks"):
        (root / kind / "train").mkdir()
        for path in list((root / kind).glob("*.png")):
            path.rename(root / kind / "train" / path.name)
    data = ("data=folder", f"data.root={root}", "data.class_names=[background,object]", "data.val_share=0.2")
    assert run_train(*data, *TINY, "trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2") == 0
    folder = only_run(tmp_path)
    assert list(json.loads((folder / "result.json").read_text())["metrics"]) == ["val"]
    assert len(list((folder / "predictions").glob("*.png"))) == 1
    steps = {
        name: torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["global_step"]
        for name in ("best", "last")
    }
    assert steps == {"best": 8, "last": 12}


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(run_train: RunTrain, tmp_path: Path) -> None:
    for seed in (0, 0, 1):
        assert run_train("experiment=unet_ce", *TINY, *TINY_SHAPES, f"seed={seed}") == 0
    folders = sorted((tmp_path / "outputs" / "unet_ce").iterdir())
    first, second, third = [json.loads((path / "result.json").read_text())["metrics"] for path in folders]
    assert first == second
    assert first != third


def test_a_sweep_gives_every_job_its_own_folder_and_wandb_run(run_train: RunTrain, tmp_path: Path) -> None:
    """And a job that fails does not end it."""
    words = (
        "experiment=unet_dice",
        *TINY,
        *TINY_SHAPES,
        "logger=default",
        "loss=ce,dice",
        "seed=0",
        "model.encoder_name=resnet18,none",
    )
    assert run_train("-m", *words) == 2
    folders = sorted(path.parent for path in (tmp_path / "outputs" / "unet_dice").glob("*/status.json"))
    states = [json.loads((path / "status.json").read_text())["state"] for path in folders]
    assert sorted(states) == ["failed", "failed", "finished", "finished"]
    results = [json.loads((path / "result.json").read_text()) for path in folders if (path / "result.json").exists()]
    assert len({result["wandb_run_id"] for result in results}) == 2
    for folder, result in zip(folders[::2], results, strict=True):
        runs = list((folder / "wandb").glob("offline-run-*"))
        assert [path.name.rpartition("-")[2] for path in runs] == [result["wandb_run_id"]]
    for own in folders:
        log = (own / "log.txt").read_text()
        assert str(own) in log
        assert not any(str(other) in log for other in folders if other != own)


def test_two_runs_of_one_config_have_one_hash_and_another_seed_another(run_train: RunTrain, tmp_path: Path) -> None:
    for seed in (0, 0, 1):  # refused while building: the record is opened before
        assert run_train("experiment=unet_ce", *TINY, *TINY_SHAPES, f"seed={seed}", "loader.batch_size=0") == 2
    folders = sorted((tmp_path / "outputs" / "unet_ce").iterdir())
    first, second, third = [json.loads((path / "status.json").read_text())["config_hash"] for path in folders]
    assert first == second != third


def test_a_run_on_two_processes_finishes(tmp_path: Path) -> None:
    script = CONF.parent / "train.py"
    words = [word for word in TINY if "limit" not in word]
    words += ["data.size=64", "data.train=8", "data.val=5", "data.test=3", "trainer.devices=2"]
    words += ["loader.batch_size=1", "trainer.max_epochs=2"]  # 3 validation batches on one rank, 2 on the other
    command = [sys.executable, str(script), "experiment=unet_dice", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    folder = only_run(tmp_path)
    result = json.loads((folder / "result.json").read_text())
    assert (result["world_size"], result["steps"]) == (2, 8)
    assert (folder / "checkpoints" / "best.ckpt").is_file()
