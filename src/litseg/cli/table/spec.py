"""What the config of a table says, checked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from litseg.cli.errors import UserError
from litseg.cli.resume import plain
from litseg.results.tables.table import Column, Direction, Tolerance

STATISTICS = ("class_weights", "class_pixels", "class_images")


@dataclass(frozen=True)
class RowSpec:
    """One row: words of train.py, or a statistic of the training split.

    Attributes:
        name: key in the config.
        title: as it is shown; the name where there is none.
        words: overrides of the row.
        statistic: None, or one of `STATISTICS`.
        arguments: of the statistic.
        published: by column.
        tolerance: by column.
        digits: behind the point, where the columns' are not right.
        evaluate: words of `litseg evaluate`, where the table's are not right.
        root: the data set that the row needs; without its folder the row is left out.
    """

    name: str
    title: str
    words: tuple[str, ...] = ()
    statistic: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    tolerance: Mapping[str, Tolerance] = field(default_factory=dict)
    digits: int | None = None
    evaluate: tuple[str, ...] | None = None
    root: str | None = None


@dataclass(frozen=True)
class TableSpec:
    """A table as it is to be trained.

    Attributes:
        shared: words of every row, before its own.
        scaled: words of the scale, by row, after its own; empty at full scale.
        evaluate: words of `litseg evaluate`; None where the training's scores are enough.
        left_out: rows whose data are not here, and why.
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
    evaluate: tuple[str, ...] | None
    split: str
    output: Path
    source: str | None
    convention: str | None
    directions: tuple[Direction, ...]
    reference: str | None
    keep_weights: bool
    minutes: float | None
    left_out: tuple[str, ...] = ()


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
    columns = _columns(values["columns"], values["column"])
    rows = tuple(_row(key, each, columns) for key, each in values["rows"].items())
    rows, left_out = _with_data(_chosen(rows, values["only"]), values["roots"])
    scale = _scale(values)
    rows = tuple(_evaluated(row, scale.get("evaluate") or {}) for row in rows)
    seeds = values["seeds"] or scale.get("seeds") or [0]
    directions = tuple(_direction(each, columns, values["rows"]) for each in values["directions"])
    reference = values["reference"]
    if reference is not None and reference not in values["rows"]:
        raise UserError(f"reference: expected one of the rows {', '.join(values['rows'])}, got {reference!r}")
    evaluate = values["evaluate"]
    return TableSpec(
        name, values["title"], columns, rows, tuple(int(seed) for seed in seeds), _words(values["shared"]),
        values["scale"], _scaled(scale, rows, _words(values["words"])),
        None if evaluate is None else _words(evaluate), values["split"], Path(values["output"]).resolve(),
        values["source"], values["convention"], directions, reference, values["checkpoints"] == "best",
        values["minutes"], left_out,
    )  # fmt: skip


def _with_data(rows: Sequence[RowSpec], roots: Mapping[str, Any]) -> tuple[tuple[RowSpec, ...], tuple[str, ...]]:
    """The rows whose data are here, and those that are left out."""
    absent = {name: root for name, root in roots.items() if not Path(str(root)).is_dir()}
    kept = tuple(row for row in rows if row.root not in absent)
    needed = {row.root for row in rows if row.root is not None}
    if absent and (not kept or not set(absent) <= needed):
        name = next(iter(absent))
        raise UserError(
            f"roots.{name}: expected the folder of the data set, got {absent[name]}, which is not there; give "
            f"roots.{name}=/path/to/{name}, or set LITSEG_DATA to a folder that holds {name}/"
        )
    left = [f"{row.name} is left out: {absent[row.root]} is not there (roots.{row.root}=)"
            for row in rows if row.root is not None and row.root in absent]  # fmt: skip
    return kept, tuple(left)


def _chosen(rows: tuple[RowSpec, ...], only: Sequence[str] | None) -> tuple[RowSpec, ...]:
    names = [row.name for row in rows]
    for each in only or ():
        if each not in names:
            raise UserError(f"only: expected some of the rows {', '.join(names)}, got {each!r}{_hint(each, names)}")
    return tuple(row for row in rows if not only or row.name in only)


def _columns(nodes: Any, shared: Mapping[str, Any]) -> tuple[Column, ...]:
    """A list of scores, or by name a score or a mapping; `shared` is what each takes where it says nothing else."""
    if isinstance(nodes, list):
        nodes = {str(score): {"score": score} for score in nodes}
    named = {name: {"score": node} if isinstance(node, str) else node for name, node in nodes.items()}
    return tuple(_column(name, {**shared, **(node or {})}) for name, node in named.items())


def _column(name: str, node: Any) -> Column:
    values = _known(f"columns.{name}", node, Column, ("name",))
    if "score" not in values:
        raise UserError(f"columns.{name}: expected score=, such as test/miou")
    return Column(name, **{"title": name.replace("_", " "), **values})


def _row(name: str, node: Any, columns: Sequence[Column]) -> RowSpec:
    values = _known(f"rows.{name}", node or {}, RowSpec, ("name",))
    known = [column.name for column in columns]
    for key in ("published", "tolerance"):
        given = values.get(key, {})
        for column in given if isinstance(given, dict) else ():
            if column not in (*known, "relative"):
                raise UserError(f"rows.{name}.{key}: no column {column!r}{_hint(column, known)}")
    statistic = values.get("statistic")
    if statistic is not None and statistic not in STATISTICS:
        raise UserError(f"rows.{name}.statistic: expected one of {', '.join(STATISTICS)}, got {statistic!r}")
    values["words"] = _words(values.get("words") or ())
    if values.get("evaluate") is not None:
        values["evaluate"] = _words(values["evaluate"])
    values["published"] = {key: float(each) for key, each in values.get("published", {}).items() if each is not None}
    tolerance = values.get("tolerance", {})
    if not isinstance(tolerance, dict) or "relative" in tolerance:  # one for all
        tolerance = dict.fromkeys(values["published"], tolerance)
    values["tolerance"] = {key: _tolerance(f"rows.{name}.tolerance.{key}", each) for key, each in tolerance.items()}
    return RowSpec(name, **{"title": name.replace("_", " "), **values})


def _tolerance(key: str, node: Any) -> Tolerance:
    if isinstance(node, int | float):
        return Tolerance(absolute=float(node))
    if isinstance(node, list) and len(node) == 2:
        return Tolerance(low=node[0], high=node[1])
    if isinstance(node, dict) and set(node) == {"relative"}:
        return Tolerance(relative=float(node["relative"]))
    raise UserError(f"{key}: expected a number, [low, high] or {{relative: number}}, got {node!r}")


def _direction(node: Any, columns: Sequence[Column], rows: Mapping[str, Any]) -> Direction:
    values = _known("directions", node, Direction, ())
    for key, known in (("column", [each.name for each in columns]), ("higher", list(rows)), ("lower", list(rows))):
        if values.get(key) not in known:
            raise UserError(f"directions: {key}: expected one of {', '.join(known)}, got {values.get(key)!r}")
    return Direction(**values)


def _scale(values: Mapping[str, Any]) -> dict[str, Any]:
    """The chosen scale's seeds, words and rows."""
    known = {"full": {}, **values["scales"]}
    name = values["scale"]
    if name not in known:
        raise UserError(f"scale: expected one of {', '.join(known)}, got {name!r}{_hint(str(name), list(known))}")
    found = dict(known[name] or {})
    if unknown := set(found) - {"seeds", "words", "rows", "evaluate"}:
        raise UserError(f"scales.{name}: expected seeds, words, rows and evaluate, got {', '.join(sorted(unknown))}")
    return found


def _evaluated(row: RowSpec, scaled: Mapping[str, Sequence[str]]) -> RowSpec:
    """A row with the words of `litseg evaluate` that the scale has for it."""
    return replace(row, evaluate=_words(scaled[row.name])) if row.name in scaled else row


def _scaled(scale: Mapping[str, Any], rows: Sequence[RowSpec], last: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """By row, what comes after its own words; the command line's `words` last."""
    shared, own = _words(scale.get("words") or ()), scale.get("rows") or {}
    return {row.name: (*shared, *_words(own.get(row.name) or ()), *last) for row in rows}


def _words(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _known(key: str, node: Any, kind: type, without: Sequence[str]) -> dict[str, Any]:
    """A mapping whose keys are fields of `kind`."""
    names = [each.name for each in fields(kind) if each.name not in without]
    if not isinstance(node, dict):
        raise UserError(f"{key}: expected a mapping with some of {', '.join(names)}, got {node!r}")
    for each in node:
        if each not in names:
            raise UserError(f"{key}: no key {each!r}{_hint(str(each), names)}; expected some of {', '.join(names)}")
    return dict(node)


def _hint(given: str, known: Sequence[str]) -> str:
    close = get_close_matches(given, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def file_name(text: str) -> str:
    """What a name is called on disk."""
    return re.sub(r"[^0-9A-Za-z_.-]", "_", text)
