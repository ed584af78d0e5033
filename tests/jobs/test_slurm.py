"""SLURM's own commands are played by scripts: what they are told, and what becomes of a job."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from litseg.jobs.slurm import SubmititLauncher
from tests.jobs.test_local import end, job, wait_for

SBATCH = """#!/bin/bash
cp "$1" $FAKE/script; cat "$1" >> $FAKE/scripts
[[ -e $FAKE/full ]] && { echo "Submitted batch job $$"; echo $$ >> $FAKE/pending; exit; }
export SLURM_JOB_ID=$$ SLURM_JOB_NUM_NODES=1 SLURM_NTASKS=1 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0
SLURM_JOB_NODELIST=localhost setsid bash "$1" > /dev/null 2>&1 &
echo "Submitted batch job $$"
"""
SRUN = """#!/bin/bash
while [[ $1 == -* ]]; do [[ $1 == --unbuffered ]] && shift || shift 2; done
exec "$@"
"""
SACCT = """#!/bin/bash
echo "JobID|State|NodeList"
for id in $(cat $FAKE/pending 2> /dev/null); do
    grep -q "^$id$" $FAKE/cancelled 2> /dev/null && echo "$id|CANCELLED by 0|" || echo "$id|PENDING|"
done
"""
SCANCEL = """#!/bin/bash
echo $1 >> $FAKE/cancelled
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SubmititLauncher]:
    for name, script in {"sbatch": SBATCH, "srun": SRUN, "sacct": SACCT, "scancel": SCANCEL}.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
    monkeypatch.setenv("FAKE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(str(Path(each).absolute()) for each in os.sys.path))
    options = {"qos": "low"}
    launcher = SubmititLauncher(
        tmp_path / "submitit", at_once=2, minutes=30, grace=3, partition="gpu", gpus=2, cpus=8, memory_gb=16,
        account="us", setup=["export LITSEG_TEST_SET=yes"], slurm=options,
    )  # fmt: skip
    with closing(launcher):
        yield launcher


def test_what_slurm_is_asked_for(slurm: SubmititLauncher, tmp_path: Path) -> None:
    slurm.start(job("describe", tmp_path))
    assert end(slurm, seconds=60)["describe"].code == 0
    assert '"set": "yes"' in (tmp_path / "describe" / "job.log").read_text()
    script = (tmp_path / "script").read_text()
    wanted = ("partition=gpu", "gpus-per-node=2", "cpus-per-task=8", "mem=16GB", "account=us", "qos=low", "time=31",
              "signal=USR2@3", "job-name=litseg")  # fmt: skip
    assert [each for each in wanted if f"#SBATCH --{each}\n" not in script] == []


def test_codes_and_stops(slurm: SubmititLauncher, tmp_path: Path) -> None:
    for function in ("crashes", "saves", "say"):
        slurm.start(job(function, tmp_path))
    wait_for(tmp_path / "saves" / "job.log", "ready", seconds=60)
    slurm.stop("saves")
    ended = end(slurm, 3, seconds=60)
    assert {name: outcome.code for name, outcome in ended.items()} == {"crashes": 139, "saves": 143, "say": 0}
    assert "saved" in (tmp_path / "saves" / "job.log").read_text()


def test_a_job_that_waits_in_the_queue_is_taken_from_it(slurm: SubmititLauncher, tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    slurm.start(job("say", tmp_path))
    slurm.stop("say")
    assert (tmp_path / "cancelled").read_text() == (tmp_path / "pending").read_text()
    assert end(slurm)["say"][1:] == (143, 0.0, "stopped before it began")
    assert not (tmp_path / "say" / "job.log").exists()
