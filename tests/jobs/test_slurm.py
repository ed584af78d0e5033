"""SLURM's own commands are played by scripts: what they are told, and what becomes of a job."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from litseg.jobs.slurm import SubmititLauncher
from tests.jobs.test_local import end, job, wait_for

SBATCH = """#!/bin/bash
[[ -e $FAKE/refuse ]] && { echo "sbatch: error: Socket timed out" >&2; exit 1; }
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
    pytest.importorskip("submitit", reason="needs the extra slurm")
    for name, script in {"sbatch": SBATCH, "srun": SRUN, "sacct": SACCT, "scancel": SCANCEL}.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
    monkeypatch.setenv("FAKE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(str(Path(each).absolute()) for each in sys.path))
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
    assert [path.name for path in (tmp_path / "say").glob("*")] == []  # nor word to stop, which a later job would read


def test_what_sbatch_refuses_is_submitted_again_in_a_while(
    slurm: SubmititLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("litseg.jobs.slurm.PAUSE", 0.3)
    (tmp_path / "refuse").touch()
    slurm.start(job("say", tmp_path))
    asked = time.monotonic()
    assert slurm.wait(0.2) == []
    assert time.monotonic() - asked >= 0.2
    (tmp_path / "refuse").unlink()
    assert end(slurm, seconds=60)["say"].code == 0


def test_what_sbatch_refuses_again_and_again_may_be_tried_later(
    slurm: SubmititLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("litseg.jobs.slurm.PAUSE", 0.0)
    monkeypatch.setattr("litseg.jobs.slurm.REFUSALS", 4)
    (tmp_path / "refuse").touch()
    slurm.start(job("say", tmp_path))
    assert end(slurm)["say"][1:] == (75, 0.0, "sbatch: error: Socket timed out")
    (tmp_path / "refuse").unlink()
    slurm.start(job("say", tmp_path))
    assert end(slurm, seconds=60)["say"].code == 0


def test_while_others_are_queued_sbatch_may_refuse_for_ever(
    slurm: SubmititLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("litseg.jobs.slurm.PAUSE", 0.1)
    monkeypatch.setattr("litseg.jobs.slurm.REFUSALS", 1)
    (tmp_path / "full").touch()
    slurm.start(job("waits", tmp_path))
    (tmp_path / "refuse").touch()
    slurm.start(job("say", tmp_path))
    assert slurm.wait(0.6) == []
    slurm.stop("waits")
    assert end(slurm)["waits"].code == 143
    assert end(slurm)["say"].code == 75
