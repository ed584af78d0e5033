"""The command `litseg table`: reads the table's config, trains what is missing, prints, and judges."""

import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from hydra.utils import instantiate
from omegaconf import DictConfig

from litseg.cli.errors import CONF, UserError, user_mistakes
from litseg.cli.logs import start_logging
from litseg.cli.table.cells import Wanted, changed_by_words, changes, read_cells, wanted_cells
from litseg.cli.table.files import COMMITTED, keep_table, write_table
from litseg.cli.table.scores import refuse_misspelt_columns, refuse_unknown_scores
from litseg.cli.table.spec import TableSpec, read_spec
from litseg.cli.table.words import compose_table, other_than_configured
from litseg.results import code_state
from litseg.results.tables.formats import read_committed
from litseg.results.tables.statistics import summaries
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

log = logging.getLogger(__name__)


def run(words: Sequence[str]) -> int:
    """Runs `litseg table <words>`.

    Returns:
        The exit code: 0; 1 where a cell has failed; 2 where cells were refused, or check=true finds that a verdict
        does not hold.

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
    changed = changed_by_words(spec)
    committed = _committed(spec, changed) if cfg.check else {}
    if cfg.keep:
        _refuse_to_keep([*other_than_configured(words), *changed])
    wanted = wanted_cells(spec)
    if not all(each.is_finished() for each in wanted):
        refuse_misspelt_columns(spec)
    _tell(spec, wanted, changed)
    if cfg.plan:
        from litseg.cli.table.forecast import show_plan

        return show_plan(spec, wanted, _launcher(cfg))
    problems, code = _train(cfg, spec, wanted)
    table = aggregate(spec, wanted, problems)
    found = summaries(table)
    judged = [*verdicts(table, found), *against_committed(table, found, committed)]
    write_table(spec, table, found, judged, bool(changed), other_than_configured(words))
    code = code or (2 if any(row.problems for row in table.rows) else 0)  # cells that were refused as they were read
    return code or (_check(judged) if cfg.check else 0) or (keep_table(spec, table) if cfg.keep else 0)


def _check(judged: Sequence[Verdict]) -> int:
    if not any(verdict.claims for verdict in judged):
        print("error: check=true: nothing here can be judged: no value has a tolerance, no direction is claimed, and "
              "no committed table is there to compare with", file=sys.stderr)  # fmt: skip
        return 2
    failed = Counter(verdict.kind for verdict in judged if verdict.failed)
    if failed:
        print(f"check=true: {', '.join(f'{count} {kind}' for kind, count in failed.items())}", file=sys.stderr)
    return 2 if failed else 0


def _tell(spec: TableSpec, wanted: Sequence[Wanted], changed: Mapping[str, str]) -> None:
    print(f"{spec.title}\n{_state(wanted)}")
    for root, rows in spec.left_out.items():
        print(f"left out: {', '.join(rows)}; no folder of their data is at roots.{root}=")
    if changed:
        print(
            f"other settings than those of the table's file: {', '.join(f'{key}: {changed[key]}' for key in changed)}"
        )
    if not all(each.is_finished() for each in wanted) and code_state(CONF.parent)["dirty"]:
        print("uncommitted changes: what is trained now will have a footnote for good; commit first for a clean table")
    sys.stdout.flush()


def _state(wanted: Sequence[Wanted]) -> str:
    missing = [each for each in wanted if not each.is_finished()]
    begun = sum(any(each.folder.glob("runs/*/*/checkpoints/*.ckpt")) for each in missing)
    return f"{len(wanted)} cells, {len(wanted) - len(missing)} there, {len(missing)} missing" + (
        f", {begun} of them in part" if begun else ""
    )


def _launcher(cfg: DictConfig):  # type: ignore[no-untyped-def]  # one of litseg.jobs
    with user_mistakes():
        return instantiate(cfg.launcher)


def _train(cfg: DictConfig, spec: TableSpec, wanted: Sequence[Wanted]) -> tuple[dict[tuple[str, int], str], int]:
    if all(each.is_finished() for each in wanted):
        return {}, 0
    from litseg.cli.table.runner import train_missing
    from litseg.training.stopping import Stopped, StopRequest

    stop = StopRequest()
    stop.install()
    try:
        return train_missing(spec, wanted, _launcher(cfg))
    except Stopped as stopped:  # the jobs have saved
        print(f"stopped by {stopped}: {_state(wanted)}; the same command goes on", file=sys.stderr)
        with suppress(UserError):  # the exit code is the signal's
            _print_so_far(aggregate(spec, wanted, {}))
        raise SystemExit(stopped.exit_code) from stopped
    finally:
        stop.uninstall()


def _print_so_far(table: Table) -> None:
    """Writes no files: those of a whole table would go."""
    if any(row.cells for row in table.rows):
        print_table(table, summaries(table), [], ["so far; no files are written of a table in part"])


def _refuse_to_keep(other: Sequence[str]) -> None:
    if other:
        raise UserError(
            f"keep=true: results/ holds whole tables, as their files have them; got another one: {', '.join(other)}; "
            "leave these out, or write them into the table's file"
        )


def _committed(spec: TableSpec, changed: Mapping[str, str]) -> dict[str, dict[str, tuple[float, float]]]:
    """Of the committed table, which must be there where nothing is published."""
    path, published = COMMITTED / spec.name / spec.scale / "table.csv", any(row.published for row in spec.rows)
    if not published and not path.is_file():
        raise UserError(
            f"check=true: nothing is published for these rows of table={spec.name}, and {path} is not there to compare "
            "with; make it with keep=true and commit it"
        )
    if changed and not spec.directions:
        found = ", ".join(f"{key}: {change}" for key, change in changed.items())
        raise UserError(f"check=true: published and committed values have other settings; leave out: {found}")
    return read_committed(path.read_text()) if path.is_file() and not changed else {}


def aggregate(spec: TableSpec, wanted: Sequence[Wanted], problems: Mapping[tuple[str, int], str]) -> Table:
    """The table of all cells that are there."""
    cells = read_cells(wanted, [column.score for column in spec.columns])
    good = {key: cell for key, cell in cells.items() if isinstance(cell, Cell)}
    refused = {key: cell for key, cell in cells.items() if isinstance(cell, str)}
    refuse_unknown_scores(
        spec, {name for cell in good.values() for name in cell.scores} or [each.score for each in spec.columns]
    )
    rows = []
    for row in spec.rows:
        own = tuple(good[row.name, seed] for seed in spec.seeds if (row.name, seed) in good)
        wrong = {seed: text for (name, seed), text in {**refused, **problems}.items() if name == row.name}
        rows.append(Row(row.name, row.title, spec.seeds, own, row.published, row.tolerance, wrong, row.digits))
    return Table(
        spec.name, spec.title, spec.columns, rows, spec.source, spec.convention, spec.directions,
        spec.reference if any(row.name == spec.reference for row in rows) else None, spec.scale, changes(spec),
    )  # fmt: skip
