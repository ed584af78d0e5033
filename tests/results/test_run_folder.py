import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from litseg.results import (
    config_hash,
    create_run_folder,
    is_held,
    lock,
    read_status,
    unfinished_runs,
    write_json,
    write_status,
)  # fmt: skip
from litseg.results import run_folder as module


def test_the_folder_names_experiment_time_process_and_run(tmp_path: Path) -> None:
    folder = create_run_folder(tmp_path, "unet_ce", "mine")
    assert folder.parent == tmp_path / "unet_ce"
    time, process, name = folder.name.rsplit("-", 2)
    assert (process, name) == (str(os.getpid()), "mine")
    assert len(time.split("-")) == 3


def test_two_runs_never_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class _Stopped:
        @staticmethod
        def now() -> "_Stopped":
            return _Stopped()

        def strftime(self, _: str) -> str:
            return "20260101-000000-000000"

    monkeypatch.setattr(module, "datetime", _Stopped)
    create_run_folder(tmp_path, "a", "b")
    with pytest.raises(FileExistsError):
        create_run_folder(tmp_path, "a", "b")


def test_json_is_strict_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"nan": math.nan, "list": [math.inf, 1.5], "nested": {"int": 2, "none": None}})
    assert json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail) == {
        "nan": None,
        "list": [None, 1.5],
        "nested": {"int": 2, "none": None},
    }
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"old": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"bad": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"old": 1}


def test_the_status_says_state_code_hash_and_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    write_status(tmp_path, {"state": "finished", "exit_code": 0, "config_hash": "abc"})
    status = json.loads((tmp_path / "status.json").read_text())
    assert status == {
        "state": "finished", "exit_code": 0, "config_hash": "abc", "slurm_job_id": "17", "pid": os.getpid(),
    }  # fmt: skip
    assert read_status(tmp_path) == status
    (tmp_path / "status.json").write_text("{")
    assert read_status(tmp_path) == {}


HOLD = """
import os, sys, time
from pathlib import Path
from litseg.results import lock
held = lock(Path(sys.argv[1]))
if os.fork() == 0:  # a loader process, which outlives its parent
    time.sleep(60)
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def hold() -> Iterator[Callable[[Path], Callable[[], None]]]:
    """`release = hold(folder)`: a process of its own holds the folder until it is killed."""
    started = []

    def start(folder: Path) -> Callable[[], None]:
        process = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, start_new_session=True)
        assert process.stdout is not None
        process.stdout.readline()
        started.append(process)

        def release() -> None:
            process.kill()
            process.wait()

        return release

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_folder_is_held_by_one_until_it_is_killed(tmp_path: Path, hold: Callable[..., Callable[[], None]]) -> None:
    release = hold(tmp_path)
    assert is_held(tmp_path)
    assert lock(tmp_path) is None
    release()
    assert not is_held(tmp_path)
    held = lock(tmp_path)
    assert held is not None
    held.close()


def test_unfinished_runs_are_of_the_config_not_refused_not_at_work_and_the_newest_first(
    tmp_path: Path, hold: Callable[..., Callable[[], None]]
) -> None:
    states = {"1": ("running", None), "2": ("preempted", 143), "3": ("finished", 0), "4": ("failed", 2),
              "5": ("failed", 3), "6": ("running", None), "7": ("running", None)}  # fmt: skip
    for name, (state, code) in states.items():
        (tmp_path / "unet" / name).mkdir(parents=True)
        status = {"state": state, "exit_code": code, "config_hash": "other" if name == "7" else "abc"}
        write_status(tmp_path / "unet" / name, status)
    hold(tmp_path / "unet" / "6")
    assert [path.name for path in unfinished_runs(tmp_path, "abc")] == ["5", "2", "1"]


def test_the_config_hash_ignores_what_names_a_run_and_nothing_else() -> None:
    config = {"seed": 0, "loss": {"gamma": 2.0}, "run_folder": "a", "name": None, "output": "x"}
    assert config_hash(config) == config_hash(config | {"run_folder": "b", "name": "n", "output": "y"})
    assert config_hash(config) != config_hash(config | {"seed": 1})
    assert config_hash(config) == config_hash(dict(reversed(config.items())))
