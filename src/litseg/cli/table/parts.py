"""The columns, rows and directions of a table's config, checked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from litseg.cli.errors import UserError
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


def read_columns(nodes: Any, shared: Mapping[str, Any]) -> tuple[Column, ...]:
    """A list of scores, or by name a score or a mapping; `shared` is what each takes where it says nothing else."""
    if isinstance(nodes, list):
        nodes = {str(score): {"score": score} for score in nodes}
    named = {name: {"score": node} if isinstance(node, str) else node for name, node in nodes.items()}
    return tuple(_column(name, {**shared, **(node or {})}) for name, node in named.items())


def _column(name: str, node: Any) -> Column:
    values = _known(f"columns.{name}", node, Column, ("name",))
    if "score" not in values:
        raise UserError(f"columns.{name}: expected score=, such as test/miou")
    if values.get("better", "higher") not in ("higher", "lower", None):
        raise UserError(f"columns.{name}.better: expected higher, lower or null, got {values['better']!r}")
    return Column(name, **{"title": name.replace("_", " "), **values})


def read_row(name: str, node: Any, columns: Sequence[Column]) -> RowSpec:
    """A row.

    Raises:
        UserError: an unknown key or statistic, a value of a column that is not there, a tolerance that is none.
    """
    values = _known(f"rows.{name}", node or {}, RowSpec, ("name",))
    known = [column.name for column in columns]
    if not isinstance(given := values.get("published", {}), dict):
        raise UserError(
            f"rows.{name}.published: expected values by column, such as {{{known[0]}: 81.3}}, got {given!r}"
        )
    for key in ("published", "tolerance"):
        given = values.get(key, {})
        for column in given if isinstance(given, dict) else ():
            if column not in (*known, "relative"):
                raise UserError(f"rows.{name}.{key}: no column {column!r}{hint(column, known)}")
    statistic = values.get("statistic")
    if statistic is not None and statistic not in STATISTICS:
        raise UserError(f"rows.{name}.statistic: expected one of {', '.join(STATISTICS)}, got {statistic!r}")
    values["words"] = as_words(values.get("words") or ())
    if values.get("evaluate") is not None:
        values["evaluate"] = as_words(values["evaluate"])
    given = {key: each for key, each in values.get("published", {}).items() if each is not None}
    values["published"] = {key: _number(f"rows.{name}.published.{key}", each) for key, each in given.items()}
    tolerance = values.get("tolerance", {})
    if not isinstance(tolerance, dict) or "relative" in tolerance:  # one for all
        tolerance = dict.fromkeys(values["published"], tolerance)
    values["tolerance"] = {key: _tolerance(f"rows.{name}.tolerance.{key}", each) for key, each in tolerance.items()}
    for key, each in values["tolerance"].items():
        if each.low is not None and key in (given := values["published"]) and not each.holds(given[key], given[key]):
            raise UserError(
                f"rows.{name}.tolerance.{key}: expected a range around the published {given[key]:g}, got {each}"
            )
    return RowSpec(name, **{"title": name.replace("_", " "), **values})


def _number(key: str, node: Any) -> float:
    if not isinstance(node, int | float) or isinstance(node, bool):
        raise UserError(f"{key}: expected a number, such as 81.3, got {node!r}")
    return float(node)


def _tolerance(key: str, node: Any) -> Tolerance:
    if isinstance(node, int | float):
        return Tolerance(absolute=float(node))
    if isinstance(node, list) and len(node) == 2:
        return Tolerance(low=_number(key, node[0]), high=_number(key, node[1]))
    if isinstance(node, dict) and set(node) == {"relative"}:
        return Tolerance(relative=_number(key, node["relative"]))
    raise UserError(f"{key}: expected a number, [low, high] or {{relative: number}}, got {node!r}")


def read_direction(node: Any, columns: Sequence[Column], rows: Mapping[str, Any]) -> Direction:
    """A direction.

    Raises:
        UserError: a column or row that is not there.
    """
    values = _known("directions", node, Direction, ())
    for key, known in (("column", [each.name for each in columns]), ("higher", list(rows)), ("lower", list(rows))):
        if values.get(key) not in known:
            raise UserError(f"directions: {key}: expected one of {', '.join(known)}, got {values.get(key)!r}")
    return Direction(**values)


def as_words(values: Sequence[Any]) -> tuple[str, ...]:
    """Words of a config; YAML may have read one as a number."""
    return tuple(str(value) for value in values)


def _known(key: str, node: Any, kind: type, without: Sequence[str]) -> dict[str, Any]:
    """A mapping whose keys are fields of `kind`."""
    names = [each.name for each in fields(kind) if each.name not in without]
    if not isinstance(node, dict):
        raise UserError(f"{key}: expected a mapping with some of {', '.join(names)}, got {node!r}")
    for each in node:
        if each not in names:
            raise UserError(f"{key}: no key {each!r}{hint(str(each), names)}; expected some of {', '.join(names)}")
    return dict(node)


def hint(given: str, known: Sequence[str]) -> str:
    """The nearest name, for the end of a message; empty where none is near."""
    close = get_close_matches(given, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def file_name(text: str) -> str:
    """What a name is called on disk."""
    return re.sub(r"[^0-9A-Za-z_.-]", "_", text)
