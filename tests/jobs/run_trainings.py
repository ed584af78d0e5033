"""A program that runs two trainings at once as jobs: python -m tests.jobs.run_trainings NAME ..."""

import os
import sys
from contextlib import closing
from pathlib import Path

from litseg.jobs import Job, Launcher
from litseg.jobs.local import LocalLauncher
from litseg.training.stopping import Stopped, StopRequest
from tests.cli.conftest import TINY, TINY_SHAPES
from tests.cli.fault import WORDS

TRAINING = ("experiment=unet_ce", *TINY, *TINY_SHAPES, *WORDS, "trainer.max_epochs=4", "resume=auto")
"""Eight steps; with FAULT=wait the fourth waits for a signal."""


def training(name: str, *words: str) -> Job:
    """In the folder of its name, below this one."""
    return Job(name, "litseg.cli.train:main", (*TRAINING, f"output={name}/outputs", *words), Path(name))


def run(launcher: Launcher, names: list[str]) -> int:
    """The largest exit code."""
    codes = []
    for seed, name in enumerate(names):
        launcher.start(training(name, f"seed={seed}"))
    while len(codes) < len(names):
        for outcome in launcher.wait(300):
            print(outcome.job.name, outcome.code, outcome.reason, flush=True)
            codes.append(outcome.code)
    return max(codes)


if __name__ == "__main__":
    StopRequest().install()
    try:
        with closing(LocalLauncher(at_once=2, threads=1, preload=["litseg.cli.preload"])) as local:
            sys.exit(run(local, sys.argv[1:]))
    except Stopped as stopped:
        print("stopped", os.environ.get("FAULT"), flush=True)
        sys.exit(stopped.exit_code)
