"""What a job costs beside its training: forked from a server that has the libraries, against a command of its own.

python -m tests.benchmarks.jobs [overhead] [grid] [--cells N] [--turns N]

overhead: from the start of a tiny training to its first step, and from its last step to its end, as a job and as
`python train.py`, in turns. grid: so many tiny trainings, two jobs at a time with the import of the libraries counted,
against as many commands one after the other.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from litseg.cli.errors import CONF
from litseg.jobs import Job
from litseg.jobs.local import LocalLauncher

WORDS = (
    "experiment=unet_ce", "trainer=cpu", "logger=csv", "data.size=32", "data.train=4", "data.val=2", "data.test=2",
    "loader.batch_size=2", "loader.workers=0", "trainer.max_epochs=1",
)  # fmt: skip
PRELOAD = ["litseg.cli.preload"]
Times = tuple[float, float, float]


def words(name: str) -> tuple[str, ...]:
    clock = f"+callbacks.clock={{_target_: tests.benchmarks.step_times.StepTimes, path: {name}.times}}"
    return (*WORDS, f"output={name}", clock)


def times(name: str, started: float) -> Times:
    """Seconds to the first step, of the steps, and from the last step to the end, which is now."""
    ended = time.time()
    first, last = map(float, Path(f"{name}.times").read_text().split())
    return first - started, last - first, ended - last


def as_job(launcher: LocalLauncher, name: str) -> Times:
    started = time.time()
    launcher.start(Job(name, "litseg.cli.train:main", words(name), Path(name)))
    (outcome,) = launcher.wait(600)
    assert outcome.code == 0, outcome
    return times(name, started)


def as_command(name: str) -> Times:
    started = time.time()
    subprocess.run([sys.executable, str(CONF.parent / "train.py"), *words(name)], check=True, capture_output=True)
    return times(name, started)


def overhead(turns: int) -> None:
    jobs, commands = list[Times](), list[Times]()
    began = time.time()
    with LocalLauncher(at_once=1, preload=PRELOAD) as launcher:
        launcher.start(Job("import", "tests.benchmarks.jobs:nothing", (), Path("import")))
        launcher.wait(600)
        print(f"libraries imported after {time.time() - began:.1f} s", flush=True)
        for turn in range(turns):
            jobs.append(as_job(launcher, f"job-{turn}"))
            commands.append(as_command(f"command-{turn}"))
    for what, found in {"job": jobs, "command": commands}.items():
        columns = list(zip(*found, strict=True))
        middle = [f"{statistics.median(column):.2f} ({min(column):.2f} to {max(column):.2f})" for column in columns]
        print(f"{what}: to the first step {middle[0]} s, steps {middle[1]} s, last step to the end {middle[2]} s")


def grid(cells: int) -> None:
    began = time.time()
    with LocalLauncher(at_once=2, preload=PRELOAD) as launcher:
        for cell in range(cells):
            name = f"cell-{cell}"
            launcher.start(Job(name, "litseg.cli.train:main", words(name), Path(name)))
        done = 0
        while done < cells:
            ended = launcher.wait(600)
            assert all(outcome.code == 0 for outcome in ended), ended
            done += len(ended)
    jobs = time.time() - began
    print(f"{cells} cells as jobs, two at a time: {jobs:.1f} s", flush=True)
    began = time.time()
    for cell in range(cells):
        as_command(f"alone-{cell}")
    commands = time.time() - began
    print(f"{cells} commands in turn: {commands:.1f} s; ratio {commands / jobs:.2f}")


def nothing() -> None:
    """A job that ends when it begins."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", default=["overhead", "grid"])
    parser.add_argument("--cells", type=int, default=24)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(CONF.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if "overhead" in given.parts:
            overhead(given.turns)
        if "grid" in given.parts:
            grid(given.cells)


if __name__ == "__main__":
    main()
