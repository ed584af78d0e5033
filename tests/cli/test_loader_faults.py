"""Loader processes that die, hang, or meet a file that has gone; and a machine with too little for them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from litseg.cli.errors import CONF
from tests.cli.conftest import TINY
from tests.conftest import WriteTree

pytestmark = pytest.mark.faults
TRAIN = [
    sys.executable, str(CONF.parent / "train.py"), "experiment=unet_ce", *TINY,
    "model._target_=tests.cli.fault.tiny_network", "loader.workers=2", "loader.timeout=5",
    "callbacks.checkpoint.every_steps=1",
]  # fmt: skip
SMALL = ("data.size=32", "data.train=16", "data.val=2", "data.test=2", "trainer.max_epochs=2000")
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{CONF.parent}:{CONF.parent / 'src'}"}
Process = subprocess.Popen[str]


def _start(folder: Path, *words: str) -> Process:
    return subprocess.Popen(
        [*TRAIN, *words], cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _wait_for_epoch(folder: Path, process: Process) -> Path:
    """The run folder, once it is in its third epoch."""
    for _ in range(1200):
        assert process.poll() is None, process.communicate()
        for log in folder.glob("outputs/*/*/log.txt"):
            if "epoch   2/" in log.read_text():
                return log.parent
        time.sleep(0.1)
    pytest.fail("no second epoch in 120 s")


def _loader(process: Process) -> int:
    """One of its loader processes."""
    return int(subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()[0])


def _ended_to_be_tried_again(process: Process, folder: Path) -> str:
    """What it said, once it has ended with 75 and said so."""
    _, error = process.communicate(timeout=90)
    assert process.returncode == 75, error
    assert "Traceback" not in error
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 75)
    for path in (folder / "checkpoints").glob("*.ckpt"):
        torch.load(path, weights_only=True)
    return error


def _finishes(folder: Path) -> None:
    """Resumed, it goes on where it was, here to the end of the next epoch."""
    epoch = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"]
    allowed = (f"trainer.max_epochs={epoch + 2}", "resume_allow=[trainer.max_epochs]", "trust=[tests.cli.fault]")
    command = [*TRAIN[:2], f"resume={folder}", "loader.timeout=60", *allowed]
    subprocess.run(command, cwd=folder, env=ENVIRONMENT, timeout=240, check=True)
    assert json.loads((folder / "result.json").read_text())["resumes"] == 1


def test_a_loader_process_that_is_killed(tmp_path: Path) -> None:
    process = _start(tmp_path, *SMALL)
    folder = _wait_for_epoch(tmp_path, process)
    os.kill(_loader(process), signal.SIGKILL)
    error = _ended_to_be_tried_again(process, folder)
    assert "is killed by signal: Killed" in error or "exited unexpectedly" in error
    assert f"resume={folder}" in error
    _finishes(folder)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_goes_while_training(tmp_path: Path, write_camvid: WriteTree, workers: int) -> None:
    root = write_camvid()
    words = ("data=camvid", f"data.root={root}", "augmentation=none", "trainer.max_epochs=2000")
    process = _start(tmp_path, *words, f"loader.workers={workers}")
    folder = _wait_for_epoch(tmp_path, process)
    victim = root / "train" / "train_003.png"
    content = victim.read_bytes()
    victim.unlink()
    assert f"cannot read {victim}: no such file" in _ended_to_be_tried_again(process, folder)
    victim.write_bytes(content)
    _finishes(folder)


def test_a_disk_that_hangs(tmp_path: Path) -> None:
    """So does each of the loader processes; they must not keep the run from ending."""
    words = (
        "data._target_=tests.cli.fault.HangingShapes",
        "data.size=32",
        "data.train=16",
        "data.val=2",
        "data.test=2",
    )
    process = _start(tmp_path, *words, "trainer.max_epochs=2000")
    folder = _wait_for_epoch(tmp_path, process)
    loader = _loader(process)
    (tmp_path / "hang").touch()
    assert "timed out after 5 seconds" in _ended_to_be_tried_again(process, folder)
    assert not Path(f"/proc/{loader}").exists()
    _finishes(folder)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount a small /dev/shm")
def test_too_little_shared_memory_is_said_before_and_after(tmp_path: Path) -> None:
    mount = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"', "sh"]
    if subprocess.run([*mount, "true"], capture_output=True).returncode:
        pytest.skip("this container may not mount")
    command = [*mount, *TRAIN, "data.size=256", "data.train=16", "data.val=2", "data.test=2"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 75
    assert "/dev/shm has 1 MB free" in done.stdout
    assert "--shm-size" in done.stdout
    assert "unable to allocate shared memory" in done.stderr or "Bus error" in done.stderr
    assert "Traceback" not in done.stderr
