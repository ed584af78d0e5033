"""The command `litseg table`: reads the table's config, trains what is missing, prints, and judges."""

import base64
import logging
import os
import platform
import shutil
from collections.abc import Mapping, Sequence

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import CONF, UserError, explain_composition, user_mistakes
from litseg.cli.logs import start_logging
from litseg.cli.table.cells import Wanted, changes_of_scale, read_cells, refuse_unknown_scores, wanted_cells
from litseg.cli.table.spec import TableSpec, read_spec
from litseg.results import code_state, versions, write_json, write_text
from litseg.results.tables.formats import comma_separated, html, latex, markdown, read_committed
from litseg.results.tables.picture import write_picture
from litseg.results.tables.statistics import Summary, summaries
from litseg.results.tables.table import Cell, Row, Table
from litseg.results.tables.terminal import print_table
from litseg.results.tables.verdicts import Verdict, against_committed, verdicts

HELP = """\
usage: litseg table table=NAME [scale=cpu] [key=value ...]

  litseg table table=losses_on_shapes                    trains the cells that are missing, prints and writes the table
  litseg table table=segnet_camvid scale=cpu             the smaller variant, which says what it scales down
  litseg table table=segnet_camvid plan=true             what is missing, and how long it would take; trains nothing but
                                                         a few steps
  litseg table table=camvid_class_weights check=true     exit code 2 where a verdict does not hold

  seeds=[0,1,2]  only=[ROW,...]   other seeds; some of the rows
  roots.NAME=FOLDER               where a data set lies; default: $LITSEG_DATA/NAME, or data/NAME
  launcher=local launcher.at_once=2   how many cells at once; or launcher=submitit, launcher=ray
  keep=true                       copies the table into results/, to be committed
  output=outputs/tables           where the table and its cells go
  trainer.accelerator=cpu ...     other words are those of train.py, for every training

A table is a file of conf/table/. A cell is trained once: its key is a hash of config, code, data and seed, and every
table that wants it takes it. Killed and started again, it goes on; two runners on one folder share the work.
"""
OWN = (
    "check", "checkpoints", "column", "columns", "convention", "directions", "evaluate", "keep", "launcher", "minutes",
    "only", "output", "plan", "reference", "roots", "rows", "scale", "scales", "seeds", "shared", "source", "split",
    "table", "title",
)  # fmt: skip
"""Keys of conf/table.yaml; other words are train.py's."""
OF_THE_RUNNER = ("seed", "resume", "resume_allow", "run_folder", "words")
COMMITTED = CONF.parent / "results"

log = logging.getLogger(__name__)


def run(words: Sequence[str]) -> int:
    """Runs `litseg table <words>`.

    Returns:
        The exit code: 0; 2 where check=true finds that a verdict does not hold; 1 where a cell has failed.

    Raises:
        UserError: expected, got, what to do.
    """
    if not words or any(word in ("-h", "--help") for word in words):
        print(HELP)
        print(f"tables: {', '.join(sorted(path.stem for path in (CONF / 'table').glob('*.yaml')))}")
        return 0
    start_logging(None)
    cfg, name = compose_table(words)
    spec = read_spec(cfg, name)
    committed = _committed(spec) if cfg.check and not any(row.published for row in spec.rows) else {}
    wanted = wanted_cells(spec)
    _tell(spec, wanted)
    if cfg.plan:
        from litseg.cli.table.forecast import show_plan

        return show_plan(spec, wanted, _launcher(cfg))
    problems = _train(cfg, spec, wanted)
    table = aggregate(spec, wanted, problems)
    found = summaries(table)
    judged = [*verdicts(table, found), *against_committed(table, found, committed)]
    _write(spec, table, found, judged, cfg.keep)
    failed = [verdict for verdict in judged if verdict.failed]
    if problems:
        return 1
    return 2 if cfg.check and failed else 0


def compose_table(words: Sequence[str]) -> tuple[DictConfig, str]:
    """The config of the words, and the table's name.

    Raises:
        UserError: what is wrong with them.
    """
    own, others = _divide(words)
    names = [word.partition("=")[2] for word in own if word.startswith("table=")]
    if not names:
        known = ", ".join(sorted(path.stem for path in (CONF / "table").glob("*.yaml")))
        raise UserError(f"litseg table: expected table=, one of {known}")
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("table", overrides=own)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain_composition(error, own)) from error
    cfg.words = others
    return cfg, names[-1]


def _divide(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The table's own words, and those of train.py."""
    own: list[str] = []
    others: list[str] = []
    for word in words:
        key, equals, _ = word.partition("=")
        if word.startswith("-") or (not equals and not word.startswith("~")):
            raise UserError(f"litseg table: expected key=value words, got {word!r}; see litseg table --help")
        name = key.lstrip("+~").partition(".")[0]
        if name in OF_THE_RUNNER:
            raise UserError(f"litseg table gives each cell its own {name}=; leave it out")
        (own if name in OWN else others).append(word)
    return own, others


def _tell(spec: TableSpec, wanted: Sequence[Wanted]) -> None:
    missing = sum(not each.is_finished() for each in wanted)
    print(f"{spec.title}\n{len(wanted)} cells, {len(wanted) - missing} there, {missing} missing", flush=True)
    for line in spec.left_out:
        print(line)


def _launcher(cfg: DictConfig):  # type: ignore[no-untyped-def]  # one of litseg.jobs
    with user_mistakes():
        return instantiate(cfg.launcher)


def _train(cfg: DictConfig, spec: TableSpec, wanted: Sequence[Wanted]) -> dict[tuple[str, int], str]:
    if all(each.is_finished() for each in wanted):
        return {}
    from litseg.cli.table.runner import train_missing
    from litseg.training.stopping import Stopped, StopRequest

    stop = StopRequest()
    stop.install()
    try:
        return train_missing(spec, wanted, _launcher(cfg))
    except Stopped as stopped:  # the jobs have saved; the same command goes on
        raise SystemExit(stopped.exit_code) from stopped
    finally:
        stop.uninstall()


def _committed(spec: TableSpec) -> dict[str, dict[str, tuple[float, float]]]:
    path = COMMITTED / spec.name / spec.scale / "table.csv"
    if not path.is_file():
        raise UserError(
            f"check=true: nothing is published for table={spec.name}, and {path} is not there to compare with; "
            "make it with keep=true and commit it"
        )
    return read_committed(path.read_text())


def aggregate(spec: TableSpec, wanted: Sequence[Wanted], problems: Mapping[tuple[str, int], str]) -> Table:
    """The table of all cells that are there."""
    cells = read_cells(wanted, [column.score for column in spec.columns])
    good = {key: cell for key, cell in cells.items() if isinstance(cell, Cell)}
    refused = {key: cell for key, cell in cells.items() if isinstance(cell, str)}
    refuse_unknown_scores(spec, good.values())
    rows = []
    for row in spec.rows:
        own = tuple(good[row.name, seed] for seed in spec.seeds if (row.name, seed) in good)
        wrong = {seed: text for (name, seed), text in {**refused, **problems}.items() if name == row.name}
        rows.append(Row(row.name, row.title, spec.seeds, own, row.published, row.tolerance, wrong, row.digits))
    return Table(
        spec.name, spec.title, spec.columns, rows, spec.source, spec.convention, spec.directions,
        spec.reference if any(row.name == spec.reference for row in rows) else None, spec.scale, changes_of_scale(spec),
    )  # fmt: skip


def _write(
    spec: TableSpec, table: Table, found: dict[tuple[str, str], Summary], judged: list[Verdict], keep: bool
) -> None:
    """All formats, and the table on the terminal."""
    folder = spec.output / spec.name / spec.scale
    folder.mkdir(parents=True, exist_ok=True)
    record = _record(table)
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
    if keep:
        target = COMMITTED / spec.name / spec.scale
        shutil.copytree(folder, target, dirs_exist_ok=True)
        print(f"kept in {os.path.relpath(target)}; commit it")


def _shown_scores(table: Table, cell: Cell) -> dict[str, float]:
    return {column.score: cell.scores[column.score] for column in table.columns if column.score in cell.scores}


def _record(table: Table) -> list[str]:
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
    ]
