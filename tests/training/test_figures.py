from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from litseg.cli.trackers import mlflow_logger, tensorboard_logger
from litseg.training.background_logger import BackgroundLogger, finish_loggers
from litseg.training.figures import OF_A_LABEL, confusion_figure


def _texts(matrix: torch.Tensor, names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    (axes,) = confusion_figure(matrix, names).axes
    return [text.get_text() for text in axes.texts], [text.get_text() for text in axes.get_xticklabels()]


def test_cells_are_percent_of_the_truth_and_a_class_without_pixels_is_white() -> None:
    numbers, columns = _texts(torch.tensor([[3, 1, 0], [0, 0, 0], [1, 1, 2]]), ("a", "b$", "c"))
    assert numbers == ["75", "25", "0", "25", "25", "50"]
    assert columns == ["a", r"b\$", "c"]


def test_multilabel_has_a_row_a_class() -> None:
    numbers, columns = _texts(torch.tensor([[[9, 1], [3, 1]], [[4, 0], [0, 4]]]), ("a", "b"))
    assert numbers == ["90", "10", "75", "25", "100", "0", "0", "100"]
    assert columns == list(OF_A_LABEL)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(path)
    return path


def test_tensorboard_gets_pictures(tmp_path: Path, picture: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = tensorboard_logger(str(tmp_path))
    assert logger is not None
    logger.log_picture("test/confusion_matrix", picture, 7)
    finish_loggers(0)
    assert not caplog.records
    (event,) = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Images("test/confusion_matrix")
    assert (event.step, event.width, event.height) == (7, 4, 4)


def test_mlflow_gets_pictures(tmp_path: Path, picture: Path) -> None:
    pytest.importorskip("mlflow")
    logger = mlflow_logger(str(tmp_path), "litseg")
    assert logger is not None
    logger.log_picture("test/predictions/one", picture, 7)
    finish_loggers(0)
    (sent,) = (tmp_path / "mlruns").rglob("artifacts/test/predictions/picture.png")
    assert sent.read_bytes() == picture.read_bytes()


def test_wandb_gets_pictures(tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    from lightning.pytorch.loggers import WandbLogger

    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    run = wandb.init(mode="offline", dir=tmp_path)
    logger = BackgroundLogger(WandbLogger(experiment=run), "W&B", lambda _: run.finish(), 60, "")
    logger.log_picture("test/predictions/one", picture, 7)
    finish_loggers(0)
    (sent,) = tmp_path.rglob("media/images/test/predictions/one_*.png")
    assert sent.read_bytes() == picture.read_bytes()
