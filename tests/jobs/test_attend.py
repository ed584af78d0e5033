"""What attends a job on another machine; here it is a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from litseg.jobs import Job
from litseg.jobs.attend import attend, stop_file
from tests.jobs.test_local import assert_gone, job, wait_for

ATTEND = """
import json, sys
from pathlib import Path
from litseg.jobs import Job
from litseg.jobs.attend import attend
name, minutes = sys.argv[1], json.loads(sys.argv[2])
print(json.dumps(attend(Job(name, f"tests.jobs.targets:{name}", (), Path(name).absolute(), minutes), 1.0, ".")))
"""


def start(
    folder: Path, function: str, minutes: float | None = None, environment: dict[str, str] | None = None
) -> "subprocess.Popen[str]":
    path = os.pathsep.join(each for each in sys.path if each)
    return subprocess.Popen(
        [sys.executable, "-c", ATTEND, function, json.dumps(minutes)],
        cwd=folder, env=os.environ | {"PYTHONPATH": path} | (environment or {}), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("function", "code", "reason"),
    [("say", 0, ""), ("raises", 1, ""), ("crashes", 139, "killed by SIGSEGV"), ("no_such_function", 1, "")],
)
def test_a_job_is_a_process_of_its_own(function: str, code: int, reason: str, tmp_path: Path) -> None:
    found = attend(job(function, tmp_path), 1.0, str(Path.cwd()))
    assert (found[0], found[2]) == (code, reason)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # given back


def test_its_words_and_folder(tmp_path: Path) -> None:
    it = Job("it", "tests.jobs.targets:describe", ("a=1",), tmp_path / "it")
    assert attend(it, 1.0, str(Path.cwd()))[0] == 0
    found = json.loads((tmp_path / "it" / "job.log").read_text())
    assert found["argv"] == ["tests.jobs.targets:describe", "a=1"]
    assert (found["main"], found["folder"], found["stdin"]) == ("tests.jobs.targets", str(Path.cwd()), "")


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGUSR2", "file", "SIGTERM of SLURM", "SIGUSR2 of SLURM"])
def test_who_is_told_to_stop_tells_the_job_once(how: str, tmp_path: Path) -> None:
    slurm = {"SLURM_JOB_ID": "1"} if "SLURM" in how else {}
    process = start(tmp_path, "saves", environment=slurm)
    wait_for(tmp_path / "saves" / "job.log", "ready")
    if how == "file":
        stop_file(job("saves", tmp_path)).touch()
    else:
        number = getattr(signal, how.split()[0])
        if slurm:  # which signals every process of a job
            (child,) = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
            os.kill(int(child), number)
        process.send_signal(number)
    code, _, reason = json.loads(process.communicate(timeout=20)[0])
    assert (code, reason) == (143, "stopped" if how == "file" else f"stopped by {how.split()[0]}")
    assert "saved" in (tmp_path / "saves" / "job.log").read_text()
    assert not stop_file(job("saves", tmp_path)).exists()


def test_a_job_that_takes_too_long_and_does_not_listen_is_killed_with_its_processes(tmp_path: Path) -> None:
    process = start(tmp_path, "ignores", minutes=1 / 60)
    assert json.loads(process.communicate(timeout=20)[0])[::2] == [137, "timed out after 0.0166667 minutes"]
    assert_gone(tmp_path / "pids")


def test_a_job_saves_where_what_attends_it_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "saves")
    wait_for(tmp_path / "saves" / "job.log", "ready")
    process.kill()
    process.communicate()
    wait_for(tmp_path / "saves" / "job.log", "saved")


def test_a_job_whose_parent_is_gone_before_it_could_listen_does_not_begin() -> None:
    command = [sys.executable, "-m", "litseg.jobs.call"]
    its = subprocess.run([*command, str(os.getpid()), "tests.jobs.targets:say", "3"], capture_output=True)
    orphan = subprocess.run([*command, "0", "tests.jobs.targets:say", "3"], capture_output=True)
    assert (its.returncode, orphan.returncode, orphan.stdout) == (3, -signal.SIGTERM, b"")


def test_one_that_was_stopped_before_does_not_begin(tmp_path: Path) -> None:
    it = job("say", tmp_path)
    it.folder.mkdir()
    stop_file(it).touch()
    assert attend(it, 1.0, ".") == (143, 0.0, "stopped before it began")
    assert not stop_file(it).exists()  # or the next job in this folder would stop too
    assert not (it.folder / "job.log").exists()
