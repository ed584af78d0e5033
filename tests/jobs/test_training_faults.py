"""Real trainings as jobs; the libraries take their time, so these run by make test-faults."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from litseg.cli.errors import CONF
from litseg.jobs import Job
from litseg.jobs.local import LocalLauncher
from tests.jobs.run_trainings import TRAINING, training
from tests.jobs.test_local import described, end, job, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
ROOT = CONF.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}


@pytest.fixture(scope="module")
def launcher() -> Iterator[LocalLauncher]:
    """Two at once."""
    with LocalLauncher(at_once=2, preload=["litseg.cli.preload"]) as launcher:
        yield launcher


def status(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("outputs/*/*/status.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def end_of(folder: Path) -> tuple[dict[str, torch.Tensor], Any]:
    """The last weights, and the scores."""
    (run,) = folder.glob("outputs/*/*/")
    weights = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return weights, json.loads((run / "result.json").read_text())["metrics"]


def assert_same_end(first: Path, second: Path) -> None:
    (weights, scores), (others, other_scores) = end_of(first), end_of(second)
    assert all(torch.equal(weights[key], others[key]) for key in weights)
    assert scores == other_scores


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_trainings_of_a_program_that_ends_save_and_go_on_when_it_is_started_again(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.jobs.run_trainings"]
    runner = subprocess.Popen([*command, "a", "b"], cwd=tmp_path, env=ENVIRONMENT | {"FAULT": "wait"})
    for each in ("a", "b"):
        wait_for(tmp_path / each / "job.log", "epoch   1/4", seconds=240)
    runner.send_signal(getattr(signal, name))
    assert runner.wait(60) == (143 if name == "SIGTERM" else -9)
    for each in ("a", "b"):
        wait_for(tmp_path / each / "job.log", "go on with resume=", seconds=60)
    undisturbed = subprocess.run(
        [*command, "a", "b", "whole-c"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, timeout=400
    )
    assert undisturbed.returncode == 0, undisturbed
    for each in ("a", "b"):
        assert (status(tmp_path / each)["state"], status(tmp_path / each)["resumes"]) == ("finished", 1)
    (tmp_path / "again").mkdir()
    subprocess.run([*command, "a", "b"], cwd=tmp_path / "again", env=ENVIRONMENT, check=True, timeout=400)
    for each in ("a", "b"):
        assert_same_end(tmp_path / each, tmp_path / "again" / each)


def test_a_training_as_a_job_ends_like_one_of_its_own(
    launcher: LocalLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    launcher.start(training("job"))
    assert end(launcher, seconds=300)["job"].code == 0
    found = json.loads(next(Path("job").glob("outputs/*/*/result.json")).read_text())
    command = [sys.executable, str(ROOT / "train.py"), *TRAINING, "output=fresh/outputs"]
    threads = {"OMP_NUM_THREADS": str(found["threads"])}
    subprocess.run(command, env=ENVIRONMENT | threads, check=True, capture_output=True, timeout=300)
    assert_same_end(Path("job"), Path("fresh"))


def test_a_job_may_train_in_two_processes(
    launcher: LocalLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    launcher.start(training("two", "trainer.devices=2"))
    assert end(launcher, seconds=300)["two"].code == 0
    assert json.loads(next(Path("two").glob("outputs/*/*/result.json")).read_text())["world_size"] == 2


def test_threads_are_shared_out(launcher: LocalLauncher, tmp_path: Path) -> None:
    launcher.start(job("describe", tmp_path))
    end(launcher, seconds=120)
    code = "import torch; print(torch.get_num_threads())"
    own = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert described(tmp_path / "describe")["threads"] == max(1, own // 2)


def test_a_crash_in_the_middle_of_a_training_costs_the_other_nothing(
    launcher: LocalLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAULT", "SIGSEGV")
    launcher.start(training("crash"))
    monkeypatch.setenv("FAULT", "")
    launcher.start(training("good"))
    ended = end(launcher, 2, seconds=300)
    assert (ended["crash"].code, ended["crash"].reason) == (139, "killed by SIGSEGV")
    assert ended["good"].code == 0
    launcher.start(training("crash"))
    assert end(launcher, seconds=300)["crash"].code == 0


def test_submitit_and_what_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from litseg.jobs.slurm import SubmititLauncher

    monkeypatch.chdir(tmp_path)
    launcher = SubmititLauncher(tmp_path / "submitit", cluster="local", at_once=2, gpus=None, cpus=1, grace=20.0)
    with closing(launcher):
        _runs_jobs(launcher, tmp_path, monkeypatch)


def test_ray_and_what_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from litseg.jobs.ray_cluster import RayLauncher

    monkeypatch.chdir(tmp_path)
    with closing(RayLauncher(cpus=1, grace=20.0)) as launcher:
        assert launcher.at_once >= 1
        _runs_jobs(launcher, tmp_path, monkeypatch)


def _runs_jobs(launcher: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = ("say", "raises", "crashes", "is_killed")
    for function in functions:
        launcher.start(job(function, folder))
    with pytest.raises(ValueError, match="there already"):
        launcher.start(job("say", folder))
    launcher.start(job("ignores", folder, minutes=2 / 60))
    launcher.start(job("say", folder, "3", name="last"))
    ended = end(launcher, len(functions) + 2, seconds=120)
    codes = {name: (outcome.code, outcome.reason.split(",")[0]) for name, outcome in ended.items()}
    assert codes == {
        "say": (0, ""), "raises": (1, ""), "crashes": (139, "killed by SIGSEGV"),
        "is_killed": (137, "killed by SIGKILL"),
        "ignores": (137, "timed out after 0.0333333 minutes"), "last": (3, ""),
    }  # fmt: skip
    assert "out 3" in (folder / "last" / "job.log").read_text()
    assert launcher.wait(5) == []

    launcher.start(Job("training", "tests.jobs.targets:waiting_training", TRAINING, folder / "training"))
    wait_for(folder / "training" / "job.log", "epoch   1/4", seconds=240)
    launcher.stop("training")
    assert end(launcher, seconds=60)["training"][1:] == (143, pytest.approx(0, abs=300), "stopped")
    launcher.start(Job("training", "litseg.cli.train:main", TRAINING, folder / "training"))
    assert end(launcher, seconds=240)["training"].code == 0
    assert (status(folder)["state"], status(folder)["resumes"]) == ("finished", 1)
    launcher.start(job("saves", folder))
    wait_for(folder / "saves" / "job.log", "ready", seconds=60)
    launcher.close()
    assert "saved" in (folder / "saves" / "job.log").read_text()
