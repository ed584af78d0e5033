"""Trains the cells of a table that are missing, each in its own process, whatever happens to any of them."""

import json
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from litseg.cli.exit_codes import REFUSED
from litseg.cli.table.cells import CELL, Wanted
from litseg.cli.table.parts import file_name
from litseg.cli.table.spec import TableSpec
from litseg.jobs import Job, Launcher, Lease, Outcome
from litseg.results import is_held

Problems = dict[tuple[str, int], str]
TARGET = "litseg.cli.table.cell:main"
TRIES, PASSING = 3, (75, 128 + 9, 128 + 15)
"""How often a cell is begun whose process was killed, or that met a fault that may pass; it goes on where it was."""
LONGEST = 400
"""Characters of what a job said last."""
ELSEWHERE = 2.0
"""Seconds between two looks at cells that another runner works on."""


@dataclass
class Work:
    """What is under way.

    Attributes:
        waiting: cells that nobody has begun.
        running: by job name, those of this runner.
        problems: by row and seed, why a cell has failed.
        refused: of those, the ones whose config or data were wrong: their row's other seeds are not begun.
    """

    waiting: deque[Wanted]
    running: dict[str, tuple[Wanted, Lease]] = field(default_factory=dict)
    problems: dict[tuple[str, int], str] = field(default_factory=dict)
    refused: set[tuple[str, int]] = field(default_factory=set)
    tries: Counter[str] = field(default_factory=Counter)


def train_missing(spec: TableSpec, wanted: Sequence[Wanted], launcher: Launcher) -> tuple[Problems, int]:
    """Trains what is not there; a cell that fails does not end the others.

    Args:
        spec: the table.
        wanted: all its cells; those that another runner works on are waited for.
        launcher: starts the processes; is closed at the end.

    Returns:
        By row and seed, why a cell has failed; and the exit code: 0, 2 where all that failed were refused, else 1.
    """
    missing = {each.key: each for each in wanted if not each.is_finished()}
    work = Work(deque(missing.values()))
    try:
        with _progress(len(wanted)) as progress:
            task = progress.add_task("cells", total=len(wanted), completed=len(wanted) - len(missing))
            while work.waiting or work.running:
                _start(spec, work, launcher, progress)
                for outcome in launcher.wait(ELSEWHERE):
                    _end(outcome, work, progress)
                if not work.running:  # all that is left is with another runner
                    time.sleep(ELSEWHERE if work.waiting else 0)
                _stop_lost(work, launcher)
                done = sum(each.is_finished() for each in wanted) + len(work.problems)
                progress.update(task, completed=done)
    finally:
        launcher.close()
        for _, lease in work.running.values():
            lease.release()
    return work.problems, 0 if not work.problems else 2 if work.refused == set(work.problems) else 1


def _progress(total: int) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    return Progress(*columns, console=Console(stderr=True), disable=total == 0 or not sys.stderr.isatty())


def _start(spec: TableSpec, work: Work, launcher: Launcher, progress: Progress) -> None:
    """Begins as many cells as there is room for, passing over those that another runner or job is at."""
    for _ in range(len(work.waiting)):
        if len(work.running) >= launcher.at_once:
            return
        cell = work.waiting.popleft()
        if cell.is_finished():
            continue
        cell.folder.mkdir(parents=True, exist_ok=True)
        lease = None if is_held(cell.folder) else Lease.take(cell.folder)  # held: a job that has outlived its runner
        if lease is None:
            work.waiting.append(cell)
            continue
        if cell.is_finished():  # by the runner that has just let go of it
            lease.release()
            continue
        cell.write_request(spec)  # only now: another runner's job reads that runner's request
        name = file_name(f"{cell.row.name}-{cell.seed}-{cell.key[:8]}")
        work.running[name] = cell, lease
        work.tries[name] += 1
        progress.console.print(
            f"{cell.name}: begins, {below_here(cell.folder / 'job.log')}", highlight=False, markup=False, soft_wrap=True
        )
        launcher.start(Job(name, TARGET, (str(cell.folder),), cell.folder, spec.minutes))


def _end(outcome: Outcome, work: Work, progress: Progress) -> None:
    """Takes note of a job that has ended: finished, to be begun again, or failed."""
    cell, lease = work.running.pop(outcome.job.name)
    lease.release()
    if cell.is_finished():
        progress.console.print(
            f"{cell.name}: {_scores(cell)} in {outcome.seconds:.0f} s", highlight=False, markup=False
        )
        return
    if is_held(cell.folder):  # it was in a cluster's queue already when this runner gave it in again
        work.waiting.append(cell)
        return
    reason = outcome.reason or f"exit code {outcome.code}"
    again = lease.lost or (outcome.code in PASSING and "timed out" not in outcome.reason)
    if again and work.tries[outcome.job.name] < TRIES:
        progress.console.print(f"{cell.name}: {reason}; goes on", highlight=False, markup=False)
        work.waiting.append(cell)
        return
    text = f"{reason}, {last_line(cell.folder / 'job.log')}"
    work.problems[cell.row.name, cell.seed] = text
    progress.console.print(f"{cell.name}: failed, {text}", highlight=False, markup=False, soft_wrap=True)
    if outcome.code == REFUSED:
        others = [each for each in work.waiting if each.row.name == cell.row.name]
        work.waiting = deque(each for each in work.waiting if each.row.name != cell.row.name)
        work.problems |= {(each.row.name, each.seed): f"not begun, as seed {cell.seed} was refused" for each in others}
        work.refused |= {(each.row.name, each.seed) for each in (cell, *others)}


def _stop_lost(work: Work, launcher: Launcher) -> None:
    """A runner that was silent for so long that another has taken its cell leaves it to that."""
    for name, (_, lease) in work.running.items():
        if lease.lost:
            launcher.stop(name)


def _scores(cell: Wanted) -> str:
    found = json.loads((cell.folder / CELL).read_text())["scores"]
    miou = found.get("test/miou", found.get("val/miou"))
    return "counted" if miou is None else f"mIoU {miou:.4f}"


def below_here(path: Path) -> Path:
    """A path as short as it can be shown."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def last_line(path: Path) -> str:
    """What a job said last: of an error, what it is."""
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return "no log"
    errors = [line for line in lines if "error:" in line.lower()]
    return (errors or lines or ["it said nothing"])[-1].strip()[:LONGEST]
