"""W&B in processes of its own, against servers that misbehave; run by make test-faults."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.servers import server

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
pytest.importorskip("wandb")
KEY = "0" * 40


def _log(folder: Path, seconds: float = 60, url: str | None = None, **environment: str) -> str:
    """What the process says; it must end with 0."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")} | environment
    words = [str(folder), str(seconds), *([url] if url else [])]
    command = [sys.executable, "-m", "tests.cli.log_to_wandb", *words]
    done = subprocess.run(
        command, env=kept | {"HOME": str(folder.parent)}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _values(folder: Path) -> int:
    """How many are in W&B's local copies; a step's name may be there twice, and cut by a block's end."""
    return sum(path.read_bytes().count(b"trainer/global_step") for path in folder.glob("wandb/*run-*/*.wandb"))


def test_a_second_process_in_the_folder_goes_on_with_the_same_run(tmp_path: Path) -> None:
    first, second = _log(tmp_path / "run"), _log(tmp_path / "run")
    (name,) = [line for line in first.splitlines() if line.startswith("id ")]
    assert name in second
    assert name == f"id {(tmp_path / 'run' / 'wandb_run_id').read_text().strip()}"
    assert {path.stem for path in (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")} == {f"run-{name[3:]}"}


@pytest.mark.parametrize("behaviour", ["silent", "401", "429", "500"])
def test_a_server_that_does_not_take_the_run_makes_it_an_offline_one(tmp_path: Path, behaviour: str) -> None:
    with server(behaviour) as url:
        said = _log(tmp_path / "run", url=url, WANDB_API_KEY=KEY)
    assert "it goes on offline" in said
    assert "wandb sync" in said
    assert _values(tmp_path / "run") >= 100


def test_a_server_that_falls_silent_costs_the_cap_and_the_local_copy_is_whole(tmp_path: Path) -> None:
    with server("late") as url:
        said = _log(tmp_path / "run", seconds=2, url=url, WANDB_API_KEY=KEY)
    assert "W&B did not end within 2 s; upload its local copy by: wandb sync --include-online" in said
    assert _values(tmp_path / "run") >= 100


def test_a_service_process_that_is_killed_costs_a_warning(tmp_path: Path) -> None:
    said = _log(tmp_path / "run", KILL="1", WANDB_MODE="offline")
    assert said.count("training goes on") == 1
