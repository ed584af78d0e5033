"""Runners that are killed, stopped, or two at once: no trial is lost, none is done twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from litseg.jobs.lease import SILENCE
from tests.cli.sweep.conftest import QUICK, ROOT, SPACE, quick_words, read_trials

pytestmark = pytest.mark.faults
StartSweep = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> StartSweep:
    """`start("trials=3")`: `litseg sweep` of quick trainings as a process of its own."""
    (tmp_path / "conf" / "sweep").mkdir(parents=True)
    (tmp_path / "conf" / "sweep" / "quick.yaml").write_text(f"{QUICK}{SPACE}\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-W", "error", "-m", "litseg.cli.main", "sweep"]

    def start_sweep(*words: str) -> "subprocess.Popen[str]":
        given = [*command, *quick_words(tmp_path, f"counts={tmp_path}/starts", *words)]
        return subprocess.Popen(
            given, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    return start_sweep


def _starts(folder: Path) -> Counter[str]:
    path = folder / "starts"
    return Counter(path.read_text().split() if path.exists() else [])


def _until_started(folder: Path, count: int) -> None:
    until = time.monotonic() + 120
    while sum(_starts(folder).values()) < count:
        assert time.monotonic() < until
        time.sleep(0.05)


def _ended(folder: Path, process: "subprocess.Popen[str]") -> str:
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    return said


def test_killed_again_and_again_a_sweep_ends_as_an_undisturbed_one(start: StartSweep, tmp_path: Path) -> None:
    words = ("trials=8", "epochs=4", "pause=0.3", "launcher.at_once=2", "sampler=random")
    for kills in range(1, 4):
        process = start(*words)
        _until_started(tmp_path, 3 * kills)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        time.sleep(0.1 * kills)
    _ended(tmp_path, start(*words))
    trials, starts = read_trials(tmp_path / "swept"), _starts(tmp_path)
    assert {row["state"] for row in trials.values()} == {"finished"}
    assert sorted(trials) == list(range(8))
    assert {row["epochs"] for row in trials.values()} == {"4"}
    assert set(starts) == {row["x"] for row in trials.values()}  # no point but those of the trials was ever run
    assert sum(starts.values()) <= 8 + 3 * 2  # each kill hit two trials at most
    again = _ended(tmp_path, start(*words))
    assert _starts(tmp_path) == starts
    assert "8 finished" in again
    (tmp_path / "swept").rename(tmp_path / "disturbed")
    _ended(tmp_path, start(*words))
    undisturbed = read_trials(tmp_path / "swept")
    assert {key: (row["x"], row["value"]) for key, row in trials.items()} == {
        key: (row["x"], row["value"]) for key, row in undisturbed.items()
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_sweep_saves_its_trials_and_says_what_is_left(
    start: StartSweep, tmp_path: Path, number: signal.Signals
) -> None:
    words = ("trials=3", "epochs=6", "pause=0.3", "launcher.at_once=2", "launcher.grace=5")
    process = start(*words)
    _until_started(tmp_path, 2)
    time.sleep(0.7)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[number], said
    assert "2 trials have not ended" in said
    assert {row["state"] for row in read_trials(tmp_path / "swept").values()} == {"unfinished"}
    _ended(tmp_path, start(*words))
    assert sorted(_starts(tmp_path).values()) == [1, 2, 2]
    assert {row["state"] for row in read_trials(tmp_path / "swept").values()} == {"finished"}


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_two_runners_share_the_trials(start: StartSweep, tmp_path: Path, sampler: str) -> None:
    if sampler == "grid":
        values = ", ".join(map(str, range(12)))
        (tmp_path / "conf" / "sweep" / "quick.yaml").write_text(f"{QUICK}space: {{x: [{values}]}}\n")
    words = ("trials=12", "epochs=3", "pause=0.2", f"sampler={sampler}")
    said = [_ended(tmp_path, process) for process in [start(*words), start(*words)]]
    trials, starts = read_trials(tmp_path / "swept"), _starts(tmp_path)
    assert sorted(trials) == list(range(12))
    assert set(starts.values()) == {1}
    assert len(starts) == 12
    done = [text.count("finished val/miou") for text in said]
    assert sum(done) == 12
    assert min(done) >= 2


def test_a_runner_takes_over_from_one_that_is_killed_beside_it(start: StartSweep, tmp_path: Path) -> None:
    words = ("trials=8", "epochs=4", "pause=0.5")
    first, second = start(*words), start(*words)
    _until_started(tmp_path, 4)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    _ended(tmp_path, second)
    assert {row["state"] for row in read_trials(tmp_path / "swept").values()} == {"finished"}
    assert len(_starts(tmp_path)) == 8
    assert sum(_starts(tmp_path).values()) <= 10


def test_a_runner_that_slept_leaves_its_trial_to_who_has_taken_it_over(start: StartSweep, tmp_path: Path) -> None:
    words = ("trials=3", "epochs=4", "pause=0.3", "launcher.at_once=1")
    sleeper = start(*words)
    _until_started(tmp_path, 1)
    sleeper.send_signal(signal.SIGSTOP)
    time.sleep(SILENCE + 2)
    said = _ended(tmp_path, start(*words))
    assert said.count("finished val/miou") == 3
    whole = read_trials(tmp_path / "swept")
    sleeper.send_signal(signal.SIGCONT)
    assert "3 finished" in _ended(tmp_path, sleeper)
    assert read_trials(tmp_path / "swept") == whole
    assert set(_starts(tmp_path).values()) == {1}


def test_a_storage_that_breaks_stops_the_jobs_and_asks_to_try_again(start: StartSweep, tmp_path: Path) -> None:
    process = start("trials=2", "epochs=40", "pause=0.3", "launcher.grace=5")
    _until_started(tmp_path, 2)
    whole = (tmp_path / "swept" / "study.db").read_bytes()
    (tmp_path / "swept" / "study.db").write_bytes(b"no database" * 2000)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert said.splitlines()[-1].startswith("error: storage: ")
    (tmp_path / "swept" / "study.db").write_bytes(whole)
    _ended(tmp_path, start("trials=2", "epochs=40", "pause=0.3"))
    assert sorted(_starts(tmp_path).values()) == [2, 2]
