"""Trainings that torchrun or SLURM starts, stops and starts again; SLURM's own commands are played by scripts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from litseg.cli.errors import CONF
from tests.cli.conftest import TINY, only_run

pytestmark = pytest.mark.faults
ROOT = CONF.parent
WORDS = (
    "experiment=unet_ce", *TINY[1:], "data.size=32", "data.train=16", "data.val=5", "data.test=7",
    "model._target_=tests.cli.fault.tiny_network", "+callbacks.fault._target_=tests.cli.fault.Fault",
    "+callbacks.fault.step=9", "trainer.max_epochs=3",
)  # fmt: skip
"""Three epochs of eight steps, on two devices of four; the fault comes after the first."""
TORCHRUN = [
    *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(ROOT / "train.py")),
    *(*WORDS, "logger=csv", "trainer.devices=2"),
]
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}


def _wait_for(folder: Path, process: "subprocess.Popen[bytes]", words: str) -> None:
    for _ in range(2400):
        assert process.poll() is None, f"ended before {words!r}"
        if any(words in log.read_text() for log in folder.glob("outputs/*/*/log.txt")):
            return
        time.sleep(0.1)
    pytest.fail(f"no {words!r} in 240 s")


def _status(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((only_run(folder) / "status.json").read_text())
    return found


def _same_end(first: Path, second: Path) -> bool:
    ends = [torch.load(only_run(each) / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
            for each in (first, second)]  # fmt: skip
    scores = [json.loads((only_run(each) / "result.json").read_text())["metrics"] for each in (first, second)]
    return all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0]) and scores[0] == scores[1]


def test_torchrun_is_stopped_and_the_same_command_goes_on(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    assert subprocess.run(TORCHRUN, cwd=whole, env=ENVIRONMENT, timeout=280).returncode == 0
    assert json.loads((only_run(whole) / "result.json").read_text())["world_size"] == 2

    process = subprocess.Popen(TORCHRUN, cwd=cut, env=ENVIRONMENT | {"FAULT": "wait"})
    _wait_for(cut, process, "epoch   1/3")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) != 0  # torchrun has exit codes of its own
    assert (_status(cut)["state"], _status(cut)["exit_code"]) == ("preempted", 143)
    resumed = subprocess.run([*TORCHRUN, "resume=last"], cwd=cut, env=ENVIRONMENT, timeout=280)
    assert resumed.returncode == 0
    assert _status(cut)["resumes"] == 1
    assert _same_end(whole, cut)


def test_torchrun_without_a_run_to_resume_ends_on_all_ranks(tmp_path: Path) -> None:
    command = [*TORCHRUN, "resume=last"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, timeout=120, capture_output=True, text=True)
    assert done.returncode != 0
    assert "no unfinished run of this config" in done.stderr


SRUN = """#!/bin/bash
# Starts SLURM_NTASKS processes and ends with the largest exit code, as srun does.
while [[ $1 == -* ]]; do shift; done
code=0
for (( rank = 0; rank < SLURM_NTASKS; rank++ )); do
    SLURM_PROCID=$rank SLURM_LOCALID=$rank SLURM_NODEID=0 SLURM_STEP_ID=0 "$@" & started+=($!)
done
for process in "${started[@]}"; do
    wait "$process"; ended=$?; (( ended > code )) && code=$ended
done
exit $code
"""


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """A job's environment: srun and scontrol first on the PATH; what scontrol is told goes to `told`."""
    scripts = {"bin/srun": SRUN, "bin/scontrol": f'#!/bin/bash\necho "$@" >> {tmp_path / "told"}\n',
               ".venv/bin/python": f'#!/bin/bash\nexec {sys.executable} "$@"\n'}  # fmt: skip
    for name, content in scripts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "train.py").symlink_to(ROOT / "train.py")
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NAME": "litseg", "SLURM_NODELIST": "127.0.0.1",
           "SLURM_NNODES": "1", "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}  # fmt: skip
    return ENVIRONMENT | job


def _tasks(environment: dict[str, str], count: int) -> dict[str, str]:
    return environment | {"SLURM_NTASKS": str(count), "SLURM_NTASKS_PER_NODE": str(count)}


def _signal_tasks(job: "subprocess.Popen[bytes]") -> None:
    """SIGUSR1 to the processes of srun, as `--signal=USR1@120` sends it."""
    (srun,) = _children(job.pid)
    for process in _children(srun):
        os.kill(process, signal.SIGUSR1)


def _children(process: int) -> Sequence[int]:
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=True)
    return [int(word) for word in found.stdout.split()]


@pytest.mark.parametrize("tasks", [1, 2])
def test_the_batch_script_queues_the_job_again_and_its_second_part_finishes(
    tmp_path: Path, slurm: dict[str, str], tasks: int
) -> None:
    """With the default logger: W&B, offline."""
    script = ["bash", str(ROOT / "docs" / "train.sbatch"), *WORDS]
    environment = _tasks(slurm, tasks) | {"WANDB_MODE": "offline"}
    job = subprocess.Popen(script, cwd=tmp_path, env=environment | {"FAULT": "wait"})
    _wait_for(tmp_path, job, "epoch   1/3")
    _signal_tasks(job)
    assert job.wait(timeout=120) == 143
    assert (tmp_path / "told").read_text() == f"requeue {slurm['SLURM_JOB_ID']}\n"
    assert (_status(tmp_path)["state"], _status(tmp_path)["slurm_job_id"]) == ("preempted", slurm["SLURM_JOB_ID"])

    again = environment | {"SLURM_RESTART_COUNT": "1"}
    assert subprocess.run(script, cwd=tmp_path, env=again, timeout=280).returncode == 0
    assert (_status(tmp_path)["state"], _status(tmp_path)["resumes"]) == ("finished", 1)
    folder = only_run(tmp_path)
    result = json.loads((folder / "result.json").read_text())
    assert (result["world_size"], result["epochs"]) == (tasks, 3)
    files = {path.stem for path in (folder / "wandb").glob("offline-run-*/*.wandb")}
    assert files == {f"run-{result['wandb_run_id']}"}
    assert len((tmp_path / "told").read_text().splitlines()) == 1


def test_under_slurm_a_signal_ends_the_run_and_scontrol_is_left_to_the_script(
    tmp_path: Path, slurm: dict[str, str]
) -> None:
    command = [*("srun", sys.executable, str(ROOT / "train.py")), *WORDS, "logger=csv", "trainer.devices=1"]
    process = subprocess.Popen(command, cwd=tmp_path, env=_tasks(slurm, 1) | {"FAULT": "wait"})
    _wait_for(tmp_path, process, "epoch   1/3")
    os.kill(_children(process.pid)[0], signal.SIGUSR1)
    assert process.wait(timeout=60) == 143
    assert _status(tmp_path)["exit_code"] == 143
    assert not (tmp_path / "told").exists()
