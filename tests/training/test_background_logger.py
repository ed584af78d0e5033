import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger

from litseg.training.background_logger import BackgroundLogger, finish_loggers


class Service(DummyLogger):
    """Keeps what it is given; raises or hangs where it is told to."""

    def __init__(self, fails: bool = False, hangs: bool = False) -> None:
        super().__init__()
        self.fails, self.answer = fails, threading.Event()
        self.got: list[Any] = []
        if not hangs:
            self.answer.set()

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.answer.wait()
        if self.fails:
            raise ConnectionError("server gone")
        self.got.append((metrics, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.got.append(params)

    def end(self, exit_code: int) -> None:
        self.got.append(exit_code)


def _logger(service: Service, seconds: float = 20.0, **others: Any) -> BackgroundLogger:
    return BackgroundLogger(service, "Service", service.end, seconds, "look there", **others)


@pytest.fixture(autouse=True)
def _none_open() -> Iterator[None]:
    yield
    finish_loggers(0)


def test_everything_arrives_in_order_and_the_end_comes_last() -> None:
    service = Service()
    logger = _logger(service)
    logger.log_hyperparams({"a": 1})
    metrics = {"loss": 1.0}
    logger.log_metrics(metrics, 3)
    metrics["loss"] = 2.0
    finish_loggers(7)
    assert service.got == [{"a": 1}, ({"loss": 1.0}, 3), 7]


def test_what_a_service_raises_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(fails=True)
    logger = _logger(service)
    for step in range(5):
        logger.log_metrics({}, step)
    finish_loggers(0)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "ConnectionError: server gone" in caplog.text
    assert service.got == [0]


def test_one_that_hangs_neither_stops_the_training_nor_its_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackgroundLogger, "WAITING", 10)
    service, abandoned = Service(hangs=True), []
    logger = _logger(service, seconds=0.2, abandon=lambda: abandoned.append(True))
    for step in range(50):
        logger.log_metrics({}, step)
    finish_loggers(0)
    assert abandoned == [True]
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        "Service does not keep up", "Service did not end within 0.2 s; look there",
    ]  # fmt: skip
    service.answer.set()


def test_a_folder_that_cannot_be_written_costs_tensorboard_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "run").write_text("a file where a folder should be")
    events = TensorBoardLogger(tmp_path / "run", name="", version="")
    logger = BackgroundLogger(events, "TensorBoard", lambda _: events.finalize("success"), 20, "")
    logger.log_metrics({"loss": 1.0}, 0)
    finish_loggers(0)
    assert "TensorBoard failed (" in caplog.text
    assert len(caplog.records) == 1
