"""What the config of a table says, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import UserError
from litseg.cli.table.parts import RowSpec, as_words, hint, read_columns, read_direction, read_row
from litseg.cli.training.resume import plain
from litseg.results.tables.table import Column, Direction


@dataclass(frozen=True)
class TableSpec:
    """A table as it is to be trained.

    Attributes:
        shared: words of every row, before its own.
        scaled: words of the scale, by row, after its own, and the command line's; empty at full scale.
        words: the command line's.
        evaluate: words of `litseg evaluate`; None where the training's scores are enough.
        evaluated: by row, the words of `litseg evaluate` that the scale has others for: `full -> here`.
        reworded: what the command line changes of the table itself: `shared`, `rows.ce.words` ..., and to what.
        left_out: rows whose data are not here, by the name of their root.
        split: whose images are drawn again.
        output: where the table and its cells go.
        minutes: after which a cell is stopped; None: never.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[RowSpec, ...]
    seeds: tuple[int, ...]
    shared: tuple[str, ...]
    scale: str
    scaled: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]
    evaluate: tuple[str, ...] | None
    split: str
    output: Path
    source: str | None
    convention: str | None
    directions: tuple[Direction, ...]
    reference: str | None
    keep_weights: bool
    minutes: float | None
    evaluated: Mapping[str, str]
    reworded: Mapping[str, str]
    left_out: Mapping[str, tuple[str, ...]]


def read_spec(cfg: DictConfig, name: str) -> TableSpec:
    """The table of a composed config.

    Args:
        cfg: see `conf/table.yaml`.
        name: the option chosen of the group `table`.

    Raises:
        UserError: what is missing, unknown or contradicts itself, by its key.
    """
    try:
        values = plain(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(f"table={name}: {error}") from error
    columns = read_columns(values["columns"], values["column"])
    rows = tuple(read_row(key, each, columns) for key, each in values["rows"].items())
    of_rows = {row.root for row in rows if row.root is not None}
    rows, left_out = _with_data(_chosen(rows, values["only"]), values["roots"], of_rows)
    scale = _scale(values)
    evaluate = None if values["evaluate"] is None else as_words(values["evaluate"])
    full, rows = rows, tuple(_evaluated(row, scale.get("evaluate") or {}) for row in rows)
    seeds = values["seeds"] or [0]
    directions = tuple(read_direction(each, columns, values["rows"]) for each in values["directions"])
    reference = values["reference"]
    if reference is not None and reference not in values["rows"]:
        raise UserError(f"reference: expected one of the rows {', '.join(values['rows'])}, got {reference!r}")
    return TableSpec(
        name, values["title"], columns, rows, tuple(seeds), as_words(values["shared"]),
        values["scale"], _scaled(scale, rows, as_words(values["words"])), as_words(values["words"]),
        evaluate, values["split"], Path(values["output"]).resolve(),
        values["source"], values["convention"], directions, reference, values["checkpoints"] == "best",
        values["minutes"], _other_words(full, rows, evaluate or ()), dict(values["reworded"]), left_out,
    )  # fmt: skip


def _with_data(
    rows: Sequence[RowSpec], roots: Mapping[str, Any], of_rows: set[str]
) -> tuple[tuple[RowSpec, ...], dict[str, tuple[str, ...]]]:
    """The rows whose data are here, and by root those that are left out; roots that are not `of_rows` all rows need."""
    absent = {name: root for name, root in roots.items() if not Path(str(root)).is_dir()}
    kept = tuple(row for row in rows if row.root not in absent)
    missing = [name for name in absent if name not in of_rows or not kept]
    if missing:
        name = missing[0]
        raise UserError(
            f"roots.{name}: expected the folder of the data set, got {absent[name]}, which is not there; give "
            f"roots.{name}=/path/to/{name}, or set LITSEG_DATA to a folder that holds {name}/"
        )
    return kept, {name: left for name in absent if (left := tuple(row.name for row in rows if row.root == name))}


def _chosen(rows: tuple[RowSpec, ...], only: Sequence[str] | None) -> tuple[RowSpec, ...]:
    names = [row.name for row in rows]
    for each in only or ():
        if each not in names:
            raise UserError(f"only: expected some of the rows {', '.join(names)}, got {each!r}{hint(each, names)}")
    return tuple(row for row in rows if not only or row.name in only)


def _scale(values: Mapping[str, Any]) -> dict[str, Any]:
    """The chosen scale's seeds, words and rows."""
    known = {"full": {}, **values["scales"]}
    name = values["scale"]
    if name not in known:
        raise UserError(f"scale: expected one of {', '.join(known)}, got {name!r}{hint(str(name), list(known))}")
    found = dict(known[name] or {})
    if unknown := set(found) - {"seeds", "words", "rows", "evaluate"}:
        raise UserError(f"scales.{name}: expected seeds, words, rows and evaluate, got {', '.join(sorted(unknown))}")
    return found


def _evaluated(row: RowSpec, scaled: Mapping[str, Sequence[str]]) -> RowSpec:
    """A row with the words of `litseg evaluate` that the scale has for it."""
    return replace(row, evaluate=as_words(scaled[row.name])) if row.name in scaled else row


def _other_words(full: Sequence[RowSpec], rows: Sequence[RowSpec], shared: tuple[str, ...]) -> dict[str, str]:
    """By row, those words of its evaluation that the scale has changed."""
    found = {}
    for before, after in zip(full, rows, strict=True):
        old, new = (shared if row.evaluate is None else row.evaluate for row in (before, after))
        if old != new:
            shown = [
                " ".join(word for word in words if word not in others) or "-"
                for words, others in ((old, new), (new, old))
            ]
            found[after.name] = " -> ".join(shown)
    return found


def _scaled(scale: Mapping[str, Any], rows: Sequence[RowSpec], last: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """By row, what comes after its own words; the command line's `words` last."""
    shared, own = as_words(scale.get("words") or ()), scale.get("rows") or {}
    return {row.name: (*shared, *as_words(own.get(row.name) or ()), *last) for row in rows}
