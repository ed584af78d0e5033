"""A run folder opened again, whole and broken."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf

import litseg
from litseg.cli.load_run import load_run
from tests.cli.conftest import TINY, RunTrain, only_run
from tests.conftest import WriteTree


def test_a_run_has_its_network_config_and_results(tiny_run: Path) -> None:
    run = litseg.load_run(str(tiny_run), device="cpu")
    assert (run.facts.task, len(run.class_names), run.facts.in_channels, run.facts.pixels) == (
        "multiclass", 6, 3, "uint8",
    )  # fmt: skip
    assert run.config.seed == run.result["seed"] == 0
    assert run.config.logger == {}
    assert run.result["metrics"]["test"]["miou"] == run.metrics[-1]["test/miou"]
    assert (run.step, run.epoch, run.batch_size) == (3, 0, 2)
    assert not run.model.training
    saved = torch.load(tiny_run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, saved[f"model.{name}"]) for name, value in run.model.state_dict().items())
    assert run.model(torch.zeros(1, 3, 50, 70, dtype=torch.uint8)).shape == (1, 6, 50, 70)
    assert type(run.source).__name__ == run.facts.name == "Shapes"
    assert run.facts.fingerprints["test"] == run.data.scans["test"].fingerprint


def test_neither_the_data_nor_pretrained_weights_are_needed(
    run_train: RunTrain, write_folder: WriteTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_folder(count=10, values=(0, 1))
    words = ("data=folder", f"data.root={root}", "data.class_names=[background,object]", "data.task=binary")
    assert run_train("loss=bce", *words, *TINY) == 0
    folder = only_run(tmp_path).rename(tmp_path / "elsewhere")
    shutil.rmtree(root)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"]["encoder_weights"] = "imagenet"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run = load_run(folder, device="cpu")
    assert run.class_names == ("background", "object")
    assert run.model(torch.zeros(1, 3, 32, 40)).shape == (1, 1, 32, 40)


def test_the_random_numbers_of_the_caller_go_on_as_they_were(tiny_run: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_run(tiny_run, device="cpu")
    assert torch.equal(torch.rand(2), expected)


def test_a_service_that_the_run_told_is_not_asked_for(tiny_run: Path) -> None:
    config = OmegaConf.load(tiny_run / "config.yaml")
    config.logger = {"mlflow": {"_target_": "somewhere.Logger", "tracking_uri": "http://host:5000"}}
    OmegaConf.save(config, tiny_run / "config.yaml")
    assert load_run(tiny_run, device="cpu").config.logger == {}


def _without_checkpoint(folder: Path) -> None:
    (folder / "checkpoints" / "best.ckpt").unlink()


def _of_other_classes(folder: Path) -> None:
    facts = json.loads((folder / "data.json").read_text())
    facts["class_names"].append("cat")
    facts["palette"].append([1, 2, 3])
    (folder / "data.json").write_text(json.dumps(facts))


def _hostile_checkpoint(folder: Path) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    path.unlink()
    torch.save({"state_dict": {}, "code": shutil.rmtree}, path)


def _damaged_facts(folder: Path) -> None:
    facts = json.loads((folder / "data.json").read_text())
    (folder / "data.json").write_text(json.dumps(facts | {"task": "__class__"}))


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (lambda folder: (folder / "config.yaml").unlink(), "expected a run folder"),
    "no checkpoint": (_without_checkpoint, "no checkpoint at"),
    "other class count": (_of_other_classes, r"segmentation_head.*\(7, .*got \(6, .*number of classes"),
    "hostile checkpoint": (_hostile_checkpoint, "expected a checkpoint of plain types"),
    "facts": (_damaged_facts, "expected the facts of a data set"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_refused_with_one_message(tiny_run: Path, name: str) -> None:
    spoil, message = BROKEN[name]
    spoil(tiny_run)
    with pytest.raises(ValueError, match=message):
        load_run(tiny_run, device="cpu")


def test_checkpoint_and_device_that_do_not_exist(tiny_run: Path) -> None:
    with pytest.raises(ValueError, match="expected best or last, got 'third'"):
        load_run(tiny_run, "third")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="device: expected cpu"):
        load_run(tiny_run, device="toaster")


def test_a_run_of_an_older_litseg_asks_its_data_set(tiny_run: Path) -> None:
    (tiny_run / "data.json").unlink()
    assert load_run(tiny_run, device="cpu").class_names[0] == "background"


def test_importing_litseg_still_imports_no_torch() -> None:
    code = "import sys, litseg; assert 'load_run' in litseg.__all__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
