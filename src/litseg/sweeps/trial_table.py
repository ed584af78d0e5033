"""Trials as rows: for the table that is printed, and for trials.csv."""

import csv
import os
from collections.abc import Sequence
from io import StringIO
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from litseg.results import write_text
from litseg.sweeps.sweep import Sweep

STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "unfinished",
    TrialState.WAITING: "waiting",
}


class Row(NamedTuple):
    """A trial. value: the objective, of a pruned one as it was then; epochs: how many have a score."""

    number: int
    state: str
    value: float | None
    epochs: int
    seconds: float | None
    exit_code: int | None
    reason: str
    folder: str
    parameters: dict[str, Any]


def rows(sweep: Sweep, trials: Sequence[FrozenTrial]) -> list[Row]:
    """The best first, then those that were pruned, failed or have not ended; of equals the earlier."""
    sign = -1 if sweep.direction == "maximize" else 1
    found = [_row(sweep, trial) for trial in trials if trial.state != TrialState.WAITING]
    order = [STATES[state] for state in STATES]
    return sorted(found, key=lambda row: (order.index(row.state), sign * (row.value or 0.0), row.number))


def _row(sweep: Sweep, trial: FrozenTrial) -> Row:
    of = trial.user_attrs.get
    folder = os.path.relpath(sweep.trial_folder(trial.number), sweep.folder)
    value = trial.value if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) else None
    seconds = trial.duration.total_seconds() if trial.state == TrialState.PRUNED and trial.duration else of("seconds")
    return Row(
        trial.number, STATES[trial.state], value, len(trial.intermediate_values), seconds, of("exit_code"),
        of("reason") or "", folder, trial.params,
    )  # fmt: skip


def write_trials(sweep: Sweep, found: Sequence[Row]) -> None:
    """Writes `trials.csv`: a row for each trial, a column for each parameter."""
    keys = [each.key for each in sweep.space]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*Row._fields[:-1], *keys])
    for row in found:
        writer.writerow([*row[:-1], *(row.parameters.get(key, "") for key in keys)])
    write_text(sweep.folder / "trials.csv", text.getvalue())
