"""Sweeps whose trials take milliseconds, through the real command line, launcher and database."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from litseg.cli.sweep import run

ROOT = Path(__file__).parents[3]
QUICK = """\
# @package _global_
target: tests.sweeps.quick_training:main
launcher: {at_once: 2, grace: 0.5, threads: 1, preload: [tests.sweeps.quick_training]}
trials: 6
folder: swept
"""
RunSweep = Callable[..., int]
SPACE = "space: {x: {float: [0.0, 10.0]}}"


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSweep:
    """`quick("trials=3", yaml="space: ...")` in an empty folder: runs a sweep of quick trainings; the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    (tmp_path / "conf" / "sweep").mkdir(parents=True)

    def run_quick(*words: str, yaml: str = SPACE) -> int:
        (tmp_path / "conf" / "sweep" / "quick.yaml").write_text(f"{QUICK}{yaml}\n")
        return run(quick_words(tmp_path, *words))

    return run_quick


def quick_words(folder: Path, *words: str) -> list[str]:
    """The command line of a sweep in `folder`/conf."""
    return ["sweep=quick", f"hydra.searchpath=['file://{folder}/conf']", *words]


def read_trials(folder: Path) -> dict[int, dict[str, str]]:
    """The rows of trials.csv by number."""
    with (folder / "trials.csv").open() as file:
        return {int(row["number"]): row for row in csv.DictReader(file)}
