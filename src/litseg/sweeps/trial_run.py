"""What the run folder of a trial says: scores while it trains, its objective, why it failed."""

import csv
import json
import math
import re
from io import StringIO
from pathlib import Path

from litseg.results import is_held, read_status

ERROR = re.compile(r"^(error: |[\w.]*(Error|Exception): )")
LOG_TAIL, LONGEST = 20_000, 200
"""Bytes of a log that are read for an error, and characters of it that are kept."""


def runs(folder: Path) -> list[Path]:
    """The run folders below a trial's folder, the newest first; usually one.

    There are more where a trial was begun anew, or a job that a cluster had still in its queue began beside another.
    """
    return sorted((path.parent for path in folder.glob("*/*/status.json")), key=lambda run: run.name, reverse=True)


def is_finished(folder: Path) -> bool:
    """Whether the training of a trial is complete."""
    return any(read_status(run).get("state") == "finished" for run in runs(folder))


def is_at_work(folder: Path) -> bool:
    """Whether a process still trains it: one that has outlived its runner."""
    return any(is_held(run) for run in runs(folder))


def epoch_values(folder: Path, objective: str) -> dict[int, float]:
    """The objective by the number of epochs trained, from 1: the first validation of each; finite ones only.

    Only epochs that are over: the best checkpoint's own validation, at the end, is not one of them.

    Args:
        folder: the trial's.
        objective: a column of `metrics.csv`.
    """
    try:
        text = (runs(folder)[0] / "metrics.csv").read_text(errors="replace")
    except (FileNotFoundError, IndexError):
        return {}
    found: dict[int, float] = {}
    over = set()
    for row in csv.DictReader(StringIO(text[: text.rfind("\n") + 1])):  # the last line may be half written
        try:
            epoch = int(row["epoch"]) + 1
            if row.get("train/loss"):
                over.add(epoch)
            if math.isfinite(value := float(row[objective])):
                found.setdefault(epoch, value)
        except (KeyError, ValueError, TypeError):
            continue
    return {epoch: value for epoch, value in found.items() if epoch in over}


def objective_value(folder: Path, objective: str) -> float | None:
    """The objective of the best checkpoint; None where there is none, or it is not finite."""
    split, _, name = objective.partition("/")
    result = next((run / "result.json" for run in runs(folder) if (run / "result.json").is_file()), None)
    try:
        value = float(json.loads(result.read_text())["metrics"][split][name]) if result else math.nan
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if math.isfinite(value) else None


def last_error(folder: Path) -> str:
    """The last error in the log of a trial, in one line; empty where there is none."""
    try:
        with (folder / "job.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    found = next((line for line in reversed(lines) if ERROR.match(line)), "")
    return found.removeprefix("error: ")[:LONGEST]
