import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from litseg.models import SegmentationModel
from litseg.training import load_weights
from litseg.training.checkpoint_files import save_checkpoint


def _model(classes: int = 3, width: int = 4) -> SegmentationModel:
    return SegmentationModel(nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, classes, 1)), [10.0], [2.0])


def _save(model: nn.Module, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {f"model.{name}": value for name, value in model.state_dict().items()} | {"loss.weight": torch.ones(1)}
    save_checkpoint({"state_dict": state, "global_step": 1, "epoch": 0}, path)
    return path


def test_a_head_of_other_classes_begins_anew_and_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given, own = _model(classes=3), _model(classes=5)
    own.mean.fill_(99.0)
    head = own.network[1].weight.clone()  # type: ignore[index]
    with caplog.at_level(logging.INFO):
        load_weights(own, _save(given, tmp_path / "x.ckpt"))
    assert torch.equal(own.network[0].weight, given.network[0].weight)  # type: ignore[index]
    assert torch.equal(own.network[1].weight, head)  # type: ignore[index]
    assert own.mean.flatten()[0] == 10.0
    assert "network.1.bias, network.1.weight" in caplog.text
    assert "4 of 6 tensors" in caplog.text


def test_a_run_folder_gives_its_best(tmp_path: Path) -> None:
    given, own = _model(), _model()
    _save(given, tmp_path / "checkpoints" / "best.ckpt")
    load_weights(own, tmp_path)
    assert all(torch.equal(value, given.state_dict()[name]) for name, value in own.state_dict().items())


def test_weights_of_which_nothing_fits_are_refused(tmp_path: Path) -> None:
    path = _save(_model(classes=4, width=7), tmp_path / "x.ckpt")
    with pytest.raises(ValueError, match=r"nothing in .* fits this network"):
        load_weights(SegmentationModel(nn.Conv2d(3, 2, 1), [10.0], [2.0]), path)
    with pytest.raises(FileNotFoundError):
        load_weights(_model(), tmp_path / "nowhere")
