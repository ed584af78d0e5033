import csv
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from litseg.training.csv_logger import CsvLogger
from tests.training.logged_training import log_a_training


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


def test_a_row_is_on_disk_when_it_is_logged_and_columns_may_come_later(tmp_path: Path) -> None:
    logger = CsvLogger(tmp_path)
    logger.log_metrics({"epoch": 0, "train/loss": torch.tensor(0.5)}, step=0)
    assert _rows(tmp_path) == [{"epoch": "0", "train/loss": "0.5", "step": "0"}]
    logger.log_metrics({"epoch": 0, "val/iou/a,b": float("nan")}, step=1)
    assert _rows(tmp_path)[1] == {"epoch": "0", "val/iou/a,b": "nan", "step": "1"}
    header = (tmp_path / "metrics.csv").read_text().splitlines()[0]
    assert header == 'epoch,step,train/loss,"val/iou/a,b"'
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_file_that_is_there_is_continued_without_its_cut_off_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,loss,step\n0,0.5,0\n0,0.4,1\n1,0.")
    CsvLogger(tmp_path).log_metrics({"epoch": 1, "loss": 0.3}, step=2)
    assert [row["loss"] for row in _rows(tmp_path)] == ["0.5", "0.4", "0.3"]


def test_rewinding_drops_the_rows_of_that_step_and_later_ones(tmp_path: Path) -> None:
    logger = CsvLogger(tmp_path)
    for step in range(4):
        logger.log_metrics({"loss": step}, step)
    CsvLogger(tmp_path).rewind(2)
    assert [row["step"] for row in _rows(tmp_path)] == ["0", "1"]


@pytest.mark.parametrize(
    ("hook", "saved", "accumulated"),
    [
        ("on_train_batch_end", 2, 1),
        ("on_train_batch_end", 4, 1),
        ("on_validation_end", 4, 1),
        ("on_train_epoch_end", 4, 1),
        ("on_train_batch_end", 1, 2),
        ("on_validation_end", 2, 2),
        ("on_train_epoch_end", 2, 2),
    ],
)
@pytest.mark.parametrize("further", [1, 3], ids=["killed a step later", "killed three steps later"])
def test_a_resumed_training_has_the_rows_of_an_uninterrupted_one(
    tmp_path: Path, hook: str, saved: int, accumulated: int, further: int
) -> None:
    """Lightning's Trainer, stopped after the checkpoint that `hook` saved at that step, and resumed from it."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    log_a_training(whole, accumulated=accumulated)
    with pytest.raises(InterruptedError):
        log_a_training(broken, accumulated=accumulated, save=(hook, saved), stop=saved + further)
    log_a_training(broken, accumulated=accumulated, resume=True)
    assert len(_rows(whole)) > 10
    assert _rows(broken) == _rows(whole)


@pytest.mark.faults
def test_after_sigkill_too(tmp_path: Path) -> None:
    log_a_training(tmp_path / "whole")
    code = "from pathlib import Path; from tests.training.logged_training import log_a_training as go\n"
    code += f"go(Path({str(tmp_path / 'broken')!r}), save=('on_train_epoch_end', 4), stop=7, kill=True)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == -9
    assert _rows(tmp_path / "broken")[-1].keys() == {"lr-SGD", "step"}  # of step 7, logged just before the kill
    log_a_training(tmp_path / "broken", resume=True)
    assert _rows(tmp_path / "broken") == _rows(tmp_path / "whole")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("only root may mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_on_a_full_disk_it_warns_once_and_writes_the_rows_when_there_is_space(
    full_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = CsvLogger(full_disk)
    logger.log_metrics({"loss": 0.0}, 0)
    (full_disk / "other").write_bytes(bytes(56 * 1024))  # leaves one page beside that of the file
    for step in range(1, 1500):
        logger.log_metrics({"loss": 0.125}, step)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "No space left" in caplog.text
    assert (full_disk / "metrics.csv").read_text().endswith("\n")
    (full_disk / "other").unlink()
    logger.log_metrics({"loss": 0.125}, 1500)
    assert [int(row["step"]) for row in _rows(full_disk)] == list(range(1501))


def test_a_folder_that_is_gone_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = CsvLogger(tmp_path / "run")
    logger.log_metrics({"loss": 1.0}, 0)
    logger.rewind(0)
    logger.log_metrics({"loss": 2.0}, 1)
    assert len(caplog.records) == 1
    (tmp_path / "run").mkdir()
    logger.log_metrics({"loss": 3.0}, 2)
    assert [row["step"] for row in _rows(tmp_path / "run")] == ["0", "1", "2"]
    shutil.rmtree(tmp_path / "run")
