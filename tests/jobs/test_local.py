"""Real processes; none of them imports anything heavy, so that each takes hundredths of a second."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litseg.jobs import Job, Launcher, Outcome
from litseg.jobs.local import LocalLauncher

TARGETS = "tests.jobs.targets"


@pytest.fixture
def launcher() -> Iterator[LocalLauncher]:
    with LocalLauncher(at_once=2, grace=1.0) as launcher:
        yield launcher


def job(function: str, folder: Path, *words: str, name: str = "", minutes: float | None = None) -> Job:
    name = name or function
    return Job(name, f"{TARGETS}:{function}", words, folder / name, minutes)


def end(launcher: Launcher, count: int = 1, seconds: float = 20.0) -> dict[str, Outcome]:
    """The next `count` jobs that end, by name."""
    found: list[Outcome] = []
    until = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        found += launcher.wait(until - time.monotonic())
    assert len(found) == count
    return {outcome.job.name: outcome for outcome in found}


def wait_for(path: Path, words: str = "", seconds: float = 20.0) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if path.is_file() and words in (text := path.read_text()) and text:
            return text
        time.sleep(0.01)
    pytest.fail(f"no {words!r} in {path}")


def assert_gone(pids: Path) -> None:
    for pid in map(int, pids.read_text().split()):
        for _ in range(500):
            if not Path(f"/proc/{pid}").exists() or ") Z" in Path(f"/proc/{pid}/stat").read_text():
                break
            time.sleep(0.01)
        else:
            pytest.fail(f"process {pid} is still there")


def test_what_fails_costs_no_other(launcher: LocalLauncher, tmp_path: Path) -> None:
    functions = ("say", "raises", "exits", "crashes", "needs_memory", "is_killed", "no_such_function")
    for function in functions:
        launcher.start(job(function, tmp_path))
    launcher.start(job("say", tmp_path, "3", name="last"))
    ended = end(launcher, len(functions) + 1)
    codes = {name: (outcome.code, outcome.reason.split(",")[0]) for name, outcome in ended.items()}
    assert codes == {
        "say": (0, ""), "raises": (1, ""), "exits": (1, ""), "crashes": (139, "killed by SIGSEGV"),
        "needs_memory": (1, ""), "is_killed": (137, "killed by SIGKILL"), "no_such_function": (1, ""), "last": (3, ""),
    }  # fmt: skip
    logs = {name: (tmp_path / name / "job.log").read_text() for name in codes}
    assert all(word in logs["last"] for word in ("out 3\n", "err\n", "from a child\n", "threads 1"))
    assert "before the crash" in logs["crashes"]
    assert "RuntimeError: boom" in logs["raises"]
    assert logs["exits"].endswith("no more\natexit was here\n")
    assert "MemoryError" in logs["needs_memory"]
    assert all(0 < outcome.seconds < 20 for outcome in ended.values())
    assert launcher.wait(5) == []  # at once: no job is left


def test_a_job_is_like_a_command_of_its_own(
    launcher: LocalLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher.start(job("say", tmp_path))  # the server exists, with the environment of before
    end(launcher)
    monkeypatch.setenv("LITSEG_TEST_SET", "now")
    monkeypatch.chdir(tmp_path)
    launcher.start(Job("it", f"{TARGETS}:describe", ("a=1", "b c"), Path("relative")))
    assert end(launcher)["it"].code == 0
    found = described(tmp_path / "relative")
    assert found["argv"] == [f"{TARGETS}:describe", "a=1", "b c"]
    assert (found["stdin"], found["folder"], found["set"]) == ("", str(tmp_path), "now")
    assert found["session"]
    assert found["main"] == TARGETS
    assert found["child"] is None
    assert found["blocked"] == []
    assert "SIG_DFL" in found["signals"]["SIGTERM"]
    assert "SIG_DFL" in found["signals"]["SIGCHLD"]
    assert "default_int_handler" in found["signals"]["SIGINT"]
    assert found["descriptors"] <= 5  # three, the pipe that says when all are gone, and that of listing them
    assert not found["path"]
    assert found["dispensable"]


def test_a_variable_that_is_gone_is_gone_in_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITSEG_TEST_UNSET", "before")
    with LocalLauncher() as launcher:
        monkeypatch.delenv("LITSEG_TEST_UNSET")
        launcher.start(job("describe", tmp_path))
        assert end(launcher)["describe"].code == 0
    assert not described(tmp_path / "describe")["unset"]


def described(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "job.log").read_text().splitlines()[-1])
    return found


def test_so_many_at_once_and_no_more(launcher: LocalLauncher, tmp_path: Path) -> None:
    for number in range(6):
        launcher.start(job("naps", tmp_path, "0.3", name=f"nap-{number}"))
    times = []
    for name in end(launcher, 6):
        times.append(json.loads((tmp_path / name / "job.log").read_text().splitlines()[-1]))
    at_work = [sum(began <= moment < ended for began, ended in times) for moment, _ in times]
    assert max(at_work) == 2


def test_a_job_that_takes_too_long_is_stopped_with_its_processes(
    launcher: LocalLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    launcher.start(job("waits", tmp_path, minutes=0.5 / 60))
    launcher.start(job("ignores", tmp_path, minutes=0.5 / 60))
    ended = end(launcher, 2)
    assert ended["waits"][1] == 143
    assert ended["ignores"][1] == 137
    assert ended["ignores"].reason == "timed out after 0.00833333 minutes"
    assert_gone(tmp_path / "pids")


def test_a_stopped_job_saves_first(launcher: LocalLauncher, tmp_path: Path) -> None:
    launcher.start(job("saves", tmp_path))
    wait_for(tmp_path / "saves" / "job.log", "ready")
    launcher.stop("saves")
    launcher.stop("saves")  # once is enough: a second SIGTERM would cut it off
    assert end(launcher)["saves"][1:2] == (143,)
    assert "saved" in (tmp_path / "saves" / "job.log").read_text()


def test_a_job_that_waits_for_its_turn_can_be_stopped(launcher: LocalLauncher, tmp_path: Path) -> None:
    for number in range(3):
        launcher.start(job("naps", tmp_path, "0.5", name=f"nap-{number}"))
    launcher.stop("nap-2")
    launcher.stop("nobody")
    assert end(launcher)["nap-2"][1:] == (143, 0.0, "stopped before it began")
    assert {outcome.code for outcome in end(launcher, 2).values()} == {0}


def test_close_stops_what_runs_and_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    launcher = LocalLauncher(at_once=2, grace=1.0)
    launcher.start(job("saves", tmp_path))
    launcher.start(job("ignores", tmp_path))
    launcher.start(job("say", tmp_path))
    wait_for(tmp_path / "saves" / "job.log", "ready")
    wait_for(tmp_path / "pids")
    launcher.close()
    launcher.close()
    assert "saved" in (tmp_path / "saves" / "job.log").read_text()
    assert_gone(tmp_path / "pids")
    assert not (tmp_path / "say").exists()
    with pytest.raises(ValueError, match="closed"):
        launcher.start(job("exits", tmp_path))


def test_a_killed_server_ends_its_jobs_and_is_replaced(launcher: LocalLauncher, tmp_path: Path) -> None:
    launcher.start(job("saves", tmp_path))
    wait_for(tmp_path / "saves" / "job.log", "ready")
    assert launcher._server is not None
    launcher._server.kill()
    assert end(launcher)["saves"][1:] == (75, 0.0, "the process that starts jobs was killed")
    assert "saved" in (tmp_path / "saves" / "job.log").read_text()  # before wait() said so
    launcher.start(job("say", tmp_path))
    assert end(launcher)["say"].code == 0


@pytest.mark.parametrize(("fail", "code", "pauses"), [(2, 0, 2), (3, 75, 2)])
def test_where_no_process_can_be_made_it_is_tried_again_in_a_while(
    fail: int, code: int, pauses: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORKS_FAIL", str(fail))
    with LocalLauncher(at_once=1, preload=["tests.jobs.weak_machine"]) as launcher:
        assert launcher.wait(0) == []
        launcher.start(job("say", tmp_path))
        launcher._await_places()
        ready = time.monotonic()
        outcome = end(launcher)["say"]
        assert outcome.code == code, outcome
        assert time.monotonic() - ready > 0.2 * (pauses - 0.5)
        launcher.start(job("say", tmp_path))
        assert end(launcher)["say"].code == 0


def test_a_job_that_outlives_its_kill_is_killed_once_more_after_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KILLS_FAIL", "1")
    with LocalLauncher(at_once=1, grace=0.1, preload=["tests.jobs.weak_machine"]) as launcher:
        launcher.start(job("ignores", tmp_path, minutes=0.3 / 60))
        outcome = end(launcher)["ignores"]
    assert outcome.code == 137
    assert outcome.seconds > 1.3


def test_a_module_that_cannot_be_imported_is_told() -> None:
    with LocalLauncher(preload=["no_such_module"]) as launcher, pytest.raises(RuntimeError, match="no_such_module"):
        _ = launcher.at_once
    with LocalLauncher(1, preload=["no_such_module"]) as launcher:
        launcher.start(Job("x", f"{TARGETS}:say", (), Path("x")))
        with pytest.raises(RuntimeError, match="what launcher"):
            launcher.wait(20)


def test_two_jobs_of_one_name_are_refused(launcher: LocalLauncher, tmp_path: Path) -> None:
    launcher.start(job("naps", tmp_path, "1"))
    with pytest.raises(ValueError, match="there already"):
        launcher.start(job("naps", tmp_path, "1"))


@pytest.mark.parametrize("wrong", [{"at_once": 0}, {"threads": -1}, {"grace": 0.0}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"launcher.{next(iter(wrong))}: expected a positive number"):
        LocalLauncher(**wrong)


@pytest.mark.parametrize(
    ("gpus", "at_once", "expected"),
    [([], None, [None]), ([0, 1], None, ["0", "1"]), ([0], 2, ["0", "0"]), ([0, 1, 2], 2, ["0,2", "1"])],
)
def test_gpus_are_shared_out(
    gpus: list[int], at_once: int | None, expected: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with LocalLauncher(at_once=at_once, gpus=gpus) as launcher:
        assert launcher.at_once == len(expected)
        for number in range(len(expected)):
            launcher.start(job("describe", tmp_path, name=str(number)))
            launcher.start(job("naps", tmp_path, "0.2", name=f"nap-{number}"))
        end(launcher, 2 * len(expected))
    logs = [(tmp_path / name / "job.log").read_text() for name in map(str, range(len(expected)))]
    found = [described(tmp_path / str(number))["gpu"] for number in range(len(expected))]
    assert set(found) <= set(expected)
    assert all(f"GPU {gpu}" in log for gpu, log in zip(found, logs, strict=True) if gpu is not None)


def test_the_gpus_of_the_program_are_found_without_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-abc")
    with LocalLauncher() as launcher:
        assert launcher.at_once == 2


RUNNER = """
import sys
from pathlib import Path
from litseg.jobs import Job
from litseg.jobs.local import LocalLauncher
from litseg.training.stopping import Stopped, StopRequest

StopRequest().install()
try:
    with LocalLauncher(at_once=2, grace=5.0) as launcher:
        for function in ("saves", "waits"):
            launcher.start(Job(function, f"tests.jobs.targets:{function}", (), Path(function)))
        launcher.wait(100)
except Stopped as stopped:
    print("stopped", flush=True)
    sys.exit(stopped.exit_code)
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGTERM to all"])
def test_when_the_program_ends_its_jobs_save_and_end(name: str, tmp_path: Path) -> None:
    path = os.pathsep.join(each for each in sys.path if each)
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE
    )
    wait_for(tmp_path / "saves" / "job.log", "ready")
    wait_for(tmp_path / "pids")
    number = getattr(signal, name.split()[0])
    if "all" in name:  # as SLURM does
        for pid in descendants(runner.pid):
            os.kill(pid, number)
    runner.send_signal(number)
    said, _ = runner.communicate(timeout=20)
    wait_for(tmp_path / "saves" / "job.log", "saved", seconds=5)
    if name != "SIGKILL":
        assert (runner.returncode, said) == (130 if name == "SIGINT" else 143, b"stopped\n")
    assert_gone(tmp_path / "pids")


def descendants(pid: int) -> list[int]:
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [each for child in map(int, children) for each in (child, *descendants(child))]
