"""What `litseg sweep` prints: the plan, a line for each trial that ends, the table at the end."""

import os
import shlex
import sys
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from litseg.cli.data.verbs import console_width
from litseg.results.redaction import redact_words
from litseg.sweeps import space
from litseg.sweeps.study import total
from litseg.sweeps.sweep import Sweep
from litseg.sweeps.trial_table import STATES, Row

SHOWN = 10
"""Trials in the table; trials.csv has all."""


def show_plan(sweep: Sweep, trials: Sequence[FrozenTrial]) -> None:
    """What would run: the space, what is there already, the command of a trial; of a grid all points."""
    console = Console(width=console_width(), highlight=False, soft_wrap=True)
    ended = sum(trial.state.is_finished() for trial in trials)
    console.print(
        f"sweep {sweep.name}: {total(sweep)} trials by {sweep.sampler}, pruner {sweep.pruner}, {sweep.direction} "
        f"{sweep.objective}; {ended} have ended, {max(total(sweep) - ended, 0)} are left"
    )
    console.print(f"folder {os.path.relpath(sweep.folder)}")
    for each in sweep.space:
        console.print(escape(f"  {each}"))
    console.print(f"each trial: python train.py {escape(shlex.join(redact_words(list(sweep.base))))} ...", end="\n")
    if sweep.sampler == "grid":
        for number, point in enumerate(space.grid(sweep.space, sweep.sampler_seed)[: total(sweep)]):
            console.print(escape(f"  {number:4d}  {' '.join(space.words(point))}"))


class Shown:
    """The progress of a sweep: a bar on a terminal, and a line for each trial that ends.

    Args:
        sweep: the sweep.
        trials: those that there are.
    """

    def __init__(self, sweep: Sweep, trials: Sequence[FrozenTrial]) -> None:
        self.sweep, self.ended_trials = sweep, [trial for trial in trials if trial.state.is_finished()]
        console = Console(width=console_width(), highlight=False, soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} trials"),
                   TimeElapsedColumn())  # fmt: skip
        self.bar = Progress(*columns, console=console, disable=not sys.stdout.isatty(), transient=True)
        self.task = self.bar.add_task(self._best(), total=total(sweep), completed=len(self.ended_trials))

    def ended(self, trial: FrozenTrial) -> None:
        """A line for a trial."""
        self.ended_trials.append(trial)
        value = "" if trial.value is None else f" {self.sweep.objective} {trial.value:.4f}"
        reason = f" ({trial.user_attrs['reason']})" if trial.user_attrs.get("reason") else ""
        words = _words(trial.params)
        text = f"trial {trial.number} {STATES[trial.state]}{value}{reason}  {words}  [{self._best()}]"
        self.bar.console.print(escape(text))
        self.bar.update(self.task, completed=len(self.ended_trials))

    def tick(self, running: int) -> None:
        """The description of the bar."""
        self.bar.update(self.task, description=f"{self._best()}, {running} running")

    def _best(self) -> str:
        found = [trial for trial in self.ended_trials if trial.state == TrialState.COMPLETE and trial.value is not None]
        if not found:
            return "no trial has finished yet"
        sign = 1 if self.sweep.direction == "maximize" else -1
        best = max(found, key=lambda trial: sign * (trial.value or 0.0))
        return f"best {best.value:.4f} in trial {best.number}"


def show_table(sweep: Sweep, rows: Sequence[Row]) -> None:
    """The best trials, and every one that failed with its reason."""
    states = ", ".join(f"{count} {state}" for state in STATES.values() if (count := _count(rows, state)))
    table = Table(title=f"sweep {sweep.name}: {states}", title_justify="left")
    for name, justify in (("trial", "right"), ("state", "left"), (sweep.objective, "right"), ("epochs", "right"),
                          ("seconds", "right"), ("values", "left"), ("reason", "left")):  # fmt: skip
        table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
    for row in [
        *[row for row in rows if row.state != "failed"][:SHOWN],
        *[row for row in rows if row.state == "failed"],
    ]:
        value = "-" if row.value is None else f"{row.value:.4f}"
        seconds = "-" if row.seconds is None else f"{row.seconds:.3g}"
        words, reason = escape(_words(row.parameters)), escape(row.reason)
        table.add_row(str(row.number), row.state, value, str(row.epochs), seconds, words, reason)
    Console(width=console_width()).print(table)


def _count(rows: Sequence[Row], state: str) -> int:
    return sum(row.state == state for row in rows)


def _words(point: space.Point) -> str:
    """For people; trials.csv has every digit."""
    rounded = {key: float(f"{value:.3g}") if isinstance(value, float) else value for key, value in point.items()}
    return " ".join(space.words(rounded))
