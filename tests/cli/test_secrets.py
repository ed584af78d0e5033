"""A secret on the command line, in the environment and in a URL, and every file that a run leaves; make test-faults."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from litseg.cli.errors import CONF
from tests.cli.conftest import TINY, TINY_SHAPES, only_run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
ENVIRONMENT = {"CANARY_ONE": "canary-one-417", "MY_API_KEY": "canary-two-418", "WANDB_API_KEY": "canary3" * 6}
SECRETS = [
    "+service.api_key=canary-four-420", "+mirror=https://me:canary-five-421@example.org/x",
    "+note=${oc.env:CANARY_ONE}", "+copy=${note}", "+service.password=${oc.env:MY_API_KEY}", "+said=canary-two-418",
]  # fmt: skip


def _train(folder: Path, *words: str) -> None:
    """A tiny training with W&B, TensorBoard and a message that shows its config."""
    kept = {key: value for key, value in os.environ.items() if key != "LITSEG_DEBUG"}
    config = [*words, "experiment=unet_ce", *TINY[1:], *TINY_SHAPES, *SECRETS]
    command = [sys.executable, str(CONF.parent / "train.py"), *config]
    environment = kept | ENVIRONMENT | {"WANDB_MODE": "offline"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "canary" not in done.stdout + done.stderr


def _files_with_canaries(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    return [str(path.relative_to(folder)) for path in files if b"canary" in path.read_bytes()]


@pytest.mark.parametrize("logger", ["default", "tensorboard", "mlflow"])
def test_no_file_of_a_run_holds_a_secret(tmp_path: Path, logger: str) -> None:
    _train(tmp_path, f"logger={logger}")
    folder = only_run(tmp_path)
    assert _files_with_canaries(tmp_path) == []
    written = (folder / "config.yaml").read_text()
    assert "password: ${oc.env:MY_API_KEY}" in written
    assert "mirror: https://***@example.org/x" in written
    found = {"default": "wandb_run_id", "tensorboard": "tensorboard/events.*", "mlflow": "mlruns/*/*/params/seed"}
    assert list(folder.glob(found[logger]))


def test_no_file_of_a_sweep_holds_a_secret(tmp_path: Path) -> None:
    _train(tmp_path, "-m", "logger=csv", "seed=0,1")
    assert list(tmp_path.rglob("multirun.yaml"))
    assert _files_with_canaries(tmp_path) == []
