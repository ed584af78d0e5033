"""Sweeps of real trainings, tiny ones: what fails is recorded, what is best is ready to train."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import TINY_SHAPES
from tests.cli.sweep.conftest import ROOT, quick_words, read_trials

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
TINY = f"""\
# @package _global_
base: [experiment=unet_ce, logger=csv, trainer=cpu, {", ".join(TINY_SHAPES)}, loader.batch_size=2, loader.workers=0,
  trainer.max_epochs=3, pictures=0, nonfinite_steps=0, callbacks.checkpoint.every_steps=1,
  +callbacks.fault._target_=tests.sweeps.trial_fault.TrialFault]
launcher: {{at_once: 2, grace: 10, threads: 1}}
folder: swept
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`litseg sweep` of tiny trainings, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    (tmp_path / "conf" / "sweep").mkdir(parents=True)
    return [sys.executable, "-W", "error", "-m", "litseg.cli.main", "sweep", *quick_words(tmp_path)]


def _write(folder: Path, yaml: str) -> None:
    (folder / "conf" / "sweep" / "quick.yaml").write_text(f"{TINY}{yaml}\n")


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_segfault_a_nan_and_a_hang_are_recorded_and_the_best_is_trained_again(
    command: list[str], tmp_path: Path
) -> None:
    space = "space: {+callbacks.fault.kind: [none, segfault, diverge, hang], seed: [0]}\nsampler: grid\nminutes: 1.5"
    _write(tmp_path, space)
    said = _run(command)
    rows = {row["+callbacks.fault.kind"]: row for row in read_trials(tmp_path / "swept").values()}
    assert {kind: (row["state"], row["exit_code"]) for kind, row in rows.items() if kind != "hang"} == {
        "none": ("finished", "0"),
        "segfault": ("failed", "139"),
        "diverge": ("failed", "3"),
    }
    assert rows["hang"]["reason"] == "timed out after 1.5 minutes"
    assert rows["segfault"]["reason"] == "killed by SIGSEGV"
    assert "loss or gradient" in rows["diverge"]["reason"]
    assert rows["none"]["epochs"] == "3"
    (line,) = [line for line in said.splitlines() if line.startswith("train the best again: ")]
    words = line.removeprefix("train the best again: python train.py ").split()
    train, threads = [sys.executable, str(ROOT / "train.py"), *words], os.environ | {"OMP_NUM_THREADS": "1"}  # as there
    done = subprocess.run(train, env=threads, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (result,) = tmp_path.glob("outputs/quick_best/*/result.json")
    assert f'"value": {rows["none"]["value"]}' in result.read_text()  # equal to the last digit


def test_a_killed_runner_goes_on_in_the_middle_of_its_trainings(command: list[str], tmp_path: Path) -> None:
    _write(
        tmp_path, "space: {optimizer.lr: {float: [1e-4, 1e-2], log: true}, +callbacks.fault.kind: [none]}\ntrials: 3"
    )
    whole = [*command, "folder=whole"]
    _run(whole)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 200
    while not list(tmp_path.glob("swept/trials/*/unet_ce/*/checkpoints/step-*.ckpt")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _run(command)
    wanted, found = read_trials(tmp_path / "whole"), read_trials(tmp_path / "swept")
    assert {key: (row["state"], row["optimizer.lr"]) for key, row in found.items()} == {
        key: ("finished", row["optimizer.lr"]) for key, row in wanted.items()
    }
    for number in found:
        runs = list((tmp_path / "swept" / "trials" / f"{number:04d}").glob("unet_ce/*"))
        assert len(runs) == 1  # what was begun was taken up, not begun anew
    assert {key: row["value"] for key, row in found.items()} == {key: row["value"] for key, row in wanted.items()}
