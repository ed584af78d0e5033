"""How long the missing cells would take, measured: each row is tried in short, and nothing of it is kept."""

import json
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from litseg.cli.table.cells import Wanted
from litseg.cli.table.parts import file_name
from litseg.cli.table.runner import below_here, last_line
from litseg.cli.table.spec import TableSpec
from litseg.jobs import Job, Launcher

PLAN = "plan"
"""Below a cell's folder, which another runner may be at work in."""
FORECAST, TARGET = "forecast.json", "litseg.cli.table.trial:main"


def show_plan(spec: TableSpec, wanted: Sequence[Wanted], launcher: Launcher) -> int:
    """Prints the cells by row, what is there, and how long the rest would take.

    Returns:
        The exit code: 0, or 1 where a row cannot be measured.
    """
    missing = [each for each in wanted if not each.is_finished()]
    rows = {each.row.name for each in missing}
    if rows:
        print(f"trying {len(rows)} row{'s' if len(rows) > 1 else ''} in short, {launcher.at_once} at once", flush=True)
    seconds = _measure(spec, missing, launcher)
    table = Table("row", "there", "missing", "a cell", title="plan", title_justify="left")
    for row in spec.rows:
        own = [each for each in wanted if each.row.name == row.name]
        left = sum(not each.is_finished() for each in own)
        shown = _shown(seconds[row.name]) if row.name in seconds else "-"
        table.add_row(Text(row.title), str(len(own) - left), str(left), shown)
    Console().print(table)
    total = sum(seconds.get(each.row.name, 0.0) for each in missing) / launcher.at_once
    measured = sum(each.row.name in seconds for each in missing)
    print(f"{len(missing)} cells are missing: about {_shown(total)} with {launcher.at_once} at once"
          + (f" for the {measured} that could be tried" if measured < len(missing) else ""))  # fmt: skip
    for name in sorted(rows - set(seconds)):
        folder = next(each.folder for each in missing if each.row.name == name) / PLAN
        print(f"{name} cannot be trained: {last_line(folder / 'job.log')}; see {below_here(folder / 'job.log')}")
    return 1 if rows - set(seconds) else 0


def _measure(spec: TableSpec, missing: Sequence[Wanted], launcher: Launcher) -> dict[str, float]:
    """By row, the seconds of one of its cells."""
    first = {each.row.name: replace(each, folder=each.folder / PLAN) for each in reversed(missing)}
    try:
        waiting = {}
        for name, cell in first.items():
            cell.write_request(spec)
            (cell.folder / FORECAST).unlink(missing_ok=True)  # of an earlier plan
            waiting[file_name(name)] = cell
        jobs = [Job(name, TARGET, (str(cell.folder),), cell.folder) for name, cell in waiting.items()]
        running = 0
        while jobs or running:
            while jobs and running < launcher.at_once:
                launcher.start(jobs.pop(0))
                running += 1
            running -= len(launcher.wait(2.0))
    finally:
        launcher.close()
    paths = {name: cell.folder / FORECAST for name, cell in first.items()}
    return {name: json.loads(path.read_text())["seconds"] for name, path in paths.items() if path.is_file()}


def _shown(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
