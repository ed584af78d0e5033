"""Real signals and processes; run by make test-faults."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from litseg.cli.errors import CONF
from tests.cli.conftest import TINY, TINY_SHAPES, only_run

pytestmark = pytest.mark.faults
TRAIN = [sys.executable, str(CONF.parent / "train.py")]


def _wait_for(path: Path, words: str, process: "subprocess.Popen[str]") -> None:
    for _ in range(600):
        if process.poll() is not None:
            pytest.fail(f"ended with {process.returncode} before {words!r}")
        if any(words in found.read_text() for found in path.glob("outputs/*/*/log.txt")):
            return
        time.sleep(0.2)
    pytest.fail(f"no {words!r} in 120 s")


@pytest.mark.parametrize(
    ("number", "code", "state"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "preempted")],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_ends_a_run_with_its_code_and_the_status_says_so(
    tmp_path: Path, number: signal.Signals, code: int, state: str
) -> None:
    command = [*TRAIN, "experiment=unet_ce", *TINY, *TINY_SHAPES, "trainer.max_epochs=100000"]
    process = subprocess.Popen(command, cwd=tmp_path, text=True)
    _wait_for(tmp_path, "epoch   2/", process)
    process.send_signal(number)
    assert process.wait(timeout=60) == code
    status = json.loads((only_run(tmp_path) / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == (state, code)


@pytest.mark.parametrize(
    "environment",
    [{}, {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}],
    ids=["no key", "a key and a server that does not answer"],
)
def test_wandb_neither_asks_nor_fails_the_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """With the default logger and no netrc; standard input is closed, so a question would fail."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")} | environment
    words = [word for word in TINY if not word.startswith("logger")]
    command = [*TRAIN, "experiment=unet_ce", *words, *TINY_SHAPES]
    done = subprocess.run(
        command, cwd=tmp_path, env=kept | {"HOME": str(tmp_path)}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = only_run(tmp_path)
    result = json.loads((folder / "result.json").read_text())
    assert result["wandb_run_id"]
    assert list((folder / "wandb").glob("offline-run-*"))
    assert "offline" in (folder / "log.txt").read_text()
