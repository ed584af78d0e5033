import logging
from pathlib import Path

import pytest
import yaml

from litseg.cli import trackers
from litseg.cli.errors import CONF
from litseg.cli.trackers import mlflow_logger, tensorboard_logger
from litseg.training.background_logger import finish_loggers
from tests.cli.servers import server

PARAMETERS = {"seed": 0, "loss": {"weights": [0.5, None], "name": "dice"}, "nothing": None}


@pytest.mark.parametrize(("module", "make"), [("tensorboard", tensorboard_logger), ("mlflow", mlflow_logger)])
def test_one_that_is_not_installed_is_said_and_left_out(
    module: str, make: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    caplog.set_level(logging.INFO)
    arguments = {"experiment_name": "litseg"} if module == "mlflow" else {}
    assert make(folder=str(tmp_path), **arguments) is None  # type: ignore[operator]
    assert f"pip install -e '.[{module}]'" in caplog.text


def test_tensorboard_gets_values_and_parameters(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = tensorboard_logger(str(tmp_path))
    assert logger is not None
    logger.log_hyperparams(PARAMETERS)
    for step in range(3):
        logger.log_metrics({"loss": step / 2}, step)
    finish_loggers(0)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(0, 0.0), (1, 0.5), (2, 1.0)]


def test_mlflow_gets_values_and_parameters(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    logger = mlflow_logger(str(tmp_path), "litseg", run_name="mine")
    assert logger is not None
    logger.log_hyperparams(PARAMETERS)
    for step in range(3):
        logger.log_metrics({"val/iou/a b": step / 2}, step)
    finish_loggers(0)
    assert not [record for record in caplog.records if "MLflow" in record.message], caplog.text
    client = MlflowClient(f"file:{tmp_path / 'mlruns'}")
    experiment = client.get_experiment_by_name("litseg")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "mine")
    assert run.data.params["loss/name"] == "dice"
    assert [each.value for each in client.get_metric_history(run.info.run_id, "val/iou/a b")] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("behaviour", ["silent", "500", "gone"])
def test_an_mlflow_server_that_does_not_work_costs_its_cap_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, behaviour: str
) -> None:
    pytest.importorskip("mlflow")
    with server("200" if behaviour == "gone" else behaviour) as url:
        if behaviour != "gone":
            _log_to(tmp_path, url)
    if behaviour == "gone":
        _log_to(tmp_path, url)
    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [message for message in said if message.startswith(("MLflow failed", "MLflow did not end"))]
    assert len([message for message in said if message.startswith("MLflow")]) <= 2


def _log_to(folder: Path, url: str) -> None:
    logger = mlflow_logger(str(folder), "litseg", tracking_uri=url, finish_seconds=1)
    assert logger is not None
    for step in range(3):
        logger.log_metrics({"loss": 1.0}, step)
    finish_loggers(0)


@pytest.mark.parametrize("name", ["wandb", "tensorboard", "mlflow"])
def test_every_choice_of_loggers_writes_metrics_csv_too(name: str) -> None:
    assert yaml.safe_load((CONF / "logger" / f"{name}.yaml").read_text())["defaults"] == ["csv"]
