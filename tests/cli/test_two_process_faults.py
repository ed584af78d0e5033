"""Two processes that train together, and signals to one of them; run by make test-faults."""

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
from tests.cli.conftest import TINY, only_run

pytestmark = pytest.mark.faults
WORDS = [
    sys.executable, str(CONF.parent / "train.py"), "experiment=unet_ce", *TINY, "data.size=32", "data.train=16",
    "data.val=5", "data.test=7", "trainer.devices=2", "model._target_=tests.cli.fault.tiny_network",
]  # fmt: skip
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{CONF.parent}:{CONF.parent / 'src'}"}


def _child(process: int) -> int:
    """The process of rank 1, once it trains."""
    for _ in range(1200):
        found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True).stdout.split()
        if found:
            return int(found[0])
        time.sleep(0.1)
    pytest.fail("rank 1 did not start")


def _wait_for_epoch(folder: Path, process: "subprocess.Popen[bytes]") -> Path:
    for _ in range(1200):
        assert process.poll() is None, "ended too early"
        for log in folder.glob("outputs/*/*/log.txt"):
            if "epoch   2/" in log.read_text():
                return log.parent
        time.sleep(0.1)
    pytest.fail("no second epoch in 120 s")


@pytest.mark.parametrize("whom", ["rank 0", "rank 1", "both"])
def test_a_signal_to_one_rank_stops_both_within_30_seconds(tmp_path: Path, whom: str) -> None:
    process = subprocess.Popen([*WORDS, "trainer.max_epochs=100000"], cwd=tmp_path, env=ENVIRONMENT)
    other = _child(process.pid)
    folder = _wait_for_epoch(tmp_path, process)
    began = time.monotonic()
    for number, name in ((process.pid, "rank 0"), (other, "rank 1")):
        if whom in (name, "both"):
            os.kill(number, signal.SIGTERM)
    assert process.wait(timeout=30) == 143
    while Path(f"/proc/{other}").exists():
        assert time.monotonic() - began < 30
        time.sleep(0.1)
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("preempted", 143)
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] > 4


def test_a_dead_rank_does_not_keep_the_other_waiting(tmp_path: Path) -> None:
    """Rank 1 is killed, and rank 0 is told to stop while it waits for it."""
    process = subprocess.Popen([*WORDS, "trainer.max_epochs=100000"], cwd=tmp_path, env=ENVIRONMENT)
    other = _child(process.pid)
    _wait_for_epoch(tmp_path, process)
    os.kill(other, signal.SIGKILL)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) != 0


def test_two_ranks_resume_to_the_same_end(tmp_path: Path) -> None:
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    words = [*WORDS, *("+callbacks.fault._target_=tests.cli.fault.Fault", "+callbacks.fault.step=10"),
             "trainer.max_epochs=4"]  # fmt: skip
    for name, environment, expected in (("whole", {}, 0), ("cut", {"FAULT": "SIGTERM"}, 143)):
        done = subprocess.run(words, cwd=tmp_path / name, env=ENVIRONMENT | environment, timeout=240)
        assert done.returncode == expected
    cut = only_run(tmp_path / "cut")
    done = subprocess.run(
        [*WORDS[:2], f"resume={cut}", "trust=[tests.cli.fault]"], cwd=tmp_path, env=ENVIRONMENT, timeout=240
    )
    assert done.returncode == 0
    ends = [torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
            for folder in (only_run(tmp_path / "whole"), cut)]  # fmt: skip
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    results = [json.loads((folder / "result.json").read_text()) for folder in (only_run(tmp_path / "whole"), cut)]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert results[1]["resumes"] == 1
