"""Writes a table in all its formats, and prints it."""

import base64
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from litseg.cli.errors import CONF
from litseg.cli.table.spec import TableSpec
from litseg.results import code_state, versions, write_json, write_text
from litseg.results.tables.formats import comma_separated, html, latex, markdown, read_committed
from litseg.results.tables.picture import write_picture
from litseg.results.tables.statistics import Summary
from litseg.results.tables.table import Cell, Table
from litseg.results.tables.terminal import print_table
from litseg.results.tables.verdicts import Verdict

COMMITTED = CONF.parent / "results"


def write_table(
    spec: TableSpec,
    table: Table,
    found: Mapping[tuple[str, str], Summary],
    judged: Sequence[Verdict],
    changed: bool,
    selected: Sequence[str],
) -> None:
    """All formats, and the table on the terminal.

    Args:
        spec: the table.
        table: its cells.
        found: its summaries.
        judged: its verdicts.
        changed: whether the command line's words make other numbers; such tables have a folder of their own.
        selected: words that choose rows or seeds, or rename something; likewise.
    """
    folder = _folder(spec, "-changed" if changed else "-part" if selected else "")
    folder.mkdir(parents=True, exist_ok=True)
    record = [*_record(spec, table), *([f"not as its file has it: {' '.join(selected)}"] if selected else [])]
    text = markdown(table, found, judged, record)
    write_text(folder / "table.md", text)
    write_text(folder / "table.tex", latex(table, found))
    write_text(folder / "table.csv", comma_separated(table, found))
    write_picture(table, found, folder / "table.png")
    picture = base64.b64encode((folder / "table.png").read_bytes()).decode()
    write_text(folder / "table.html", html(table, found, judged, record, picture))
    write_json(folder / "cells.json", {"table": spec.name, "scale": spec.scale, "cells": [
        {"row": row.name, "seed": cell.seed, "scores": _shown_scores(table, cell), "marks": cell.marks, **cell.record}
        for row in table.rows for cell in row.cells
    ]})  # fmt: skip
    print_table(table, found, judged, record)
    print(f"wrote {folder}/table.md, .tex, .csv, .html, .png and cells.json")


def keep_table(spec: TableSpec, table: Table) -> int:
    """Copies what was written into `results/`, unless rows that are there would go; the exit code."""
    target = COMMITTED / spec.name / spec.scale
    there = read_committed((target / "table.csv").read_text()) if (target / "table.csv").is_file() else {}
    if gone := set(there) - {row.name for row in table.rows}:
        print(f"error: keep=true: {os.path.relpath(target)} has rows that this table lacks: {', '.join(sorted(gone))}; "
              "give their data (roots.NAME=), or delete the folder first", file=sys.stderr)  # fmt: skip
        return 2
    shutil.copytree(_folder(spec, ""), target, dirs_exist_ok=True)
    print(f"kept in {os.path.relpath(target)}; commit it")
    return 0


def _folder(spec: TableSpec, suffix: str) -> Path:
    return spec.output / spec.name / f"{spec.scale}{suffix}"


def _shown_scores(table: Table, cell: Cell) -> dict[str, float]:
    return {column.score: cell.scores[column.score] for column in table.columns if column.score in cell.scores}


def _record(spec: TableSpec, table: Table) -> list[str]:
    """Where the numbers come from, for a reader."""
    cells = [cell for row in table.rows for cell in row.cells]
    commits = sorted({str(cell.record.get("commit"))[:12] for cell in cells})
    devices = sorted({str(cell.record["device"]) for cell in cells if "device" in cell.record})
    torch = sorted({str(cell.record["versions"]["torch"]) for cell in cells if "versions" in cell.record})
    seconds = sum(float(cell.record.get("seconds", 0)) for cell in cells)
    state = code_state(CONF.parent)
    return [
        f"cells made by commit {', '.join(commits) or '-'}; table by {str(state['commit'])[:12]}"
        + (" with uncommitted changes" if state["dirty"] else ""),
        f"torch {', '.join(torch) or '-'}, Python {versions()['python']}, {platform.system()} {platform.machine()}, "
        f"{', '.join(devices) or 'no training'}, {os.cpu_count()} cores",
        f"{len(cells)} cells, {seconds / 60:.1f} minutes of work in all",
        *(f"left out, without their data ({root}): {', '.join(rows)}" for root, rows in spec.left_out.items()),
    ]
