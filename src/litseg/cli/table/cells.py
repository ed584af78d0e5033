"""The cells of a table: which training each is, under which key, and whether it is there already.

A key is a hash of what a number depends on: the resolved config, the code (src/litseg without cli and results, which
compose and print), the data and the seed. Two tables that want the same training share its cell.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from litseg.cli.data.verbs import compose_config
from litseg.cli.errors import UserError, user_mistakes
from litseg.cli.table.parts import RowSpec
from litseg.cli.table.spec import TableSpec
from litseg.cli.table.words import hint_of_own
from litseg.cli.training.resume import HARMLESS, differences, is_below, redacted
from litseg.cli.wiring.source import build_source
from litseg.data.scan import scan
from litseg.data.source import SPLITS
from litseg.results import config_hash, write_json
from litseg.results.tables.table import Cell

SOURCE = Path(__file__).resolve().parents[2]
NOT_THE_NUMBERS = ("cli", "results", "jobs", "sweeps")
"""Rooms of src/litseg that compose, start and print, but do not compute."""
CELL, REQUEST, REPLICATES = "cell.json", "request.json", "replicates.npy"


@dataclass(frozen=True)
class Wanted:
    """A cell as the table wants it.

    Attributes:
        row: its row.
        seed: its seed.
        words: of train.py.
        key: what its number depends on, hashed.
        folder: where it lies, or will.
        parts: what the key was made of.
    """

    row: RowSpec
    seed: int
    words: tuple[str, ...]
    key: str
    folder: Path
    parts: dict[str, Any]

    @property
    def name(self) -> str:
        """For a reader: row and seed."""
        return f"{self.row.name}, seed {self.seed}"

    def is_finished(self) -> bool:
        """Whether its scores are there."""
        return (self.folder / CELL).is_file()

    def write_request(self, spec: TableSpec) -> None:
        """What `litseg.cli.table.cell` reads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / REQUEST, {
            "key": self.key, "parts": self.parts, "words": list(self.words), "seed": self.seed, "split": spec.split,
            "statistic": self.row.statistic, "arguments": dict(self.row.arguments),
            "evaluate": self.parts.get("evaluate"), "keep_weights": spec.keep_weights,
        })  # fmt: skip


def wanted_cells(spec: TableSpec) -> list[Wanted]:
    """All cells, seed by seed, so that a table that is stopped has whole columns of seeds.

    Raises:
        UserError: words that cannot be composed, or data that cannot be read.
    """
    rows = {row.name: (cfg := compose_row(spec, row), fingerprint(cfg)) for row in spec.rows}
    return [_wanted(spec, row, seed, *rows[row.name]) for seed in spec.seeds for row in spec.rows]


def compose_row(spec: TableSpec, row: RowSpec, scaled: bool = True, own: bool = True) -> DictConfig:
    """Of a row; without what the scale changes, or without the command line's own words."""
    last = spec.scaled[row.name][: len(spec.scaled[row.name]) - len(spec.words)] if scaled else ()
    try:
        return _composed((*spec.shared, *row.words, *last, *(spec.words if own else ())))
    except UserError as error:
        if own and spec.words and compose_row(spec, row, scaled, own=False):  # the row itself is not to blame
            raise UserError(f"{error}{hint_of_own(spec.words)}") from error
        raise UserError(f"row {row.name}: {error}") from error


@cache
def _composed(words: tuple[str, ...]) -> DictConfig:
    return compose_config(words)


def changes(spec: TableSpec) -> dict[str, dict[str, str]]:
    """By row, the settings that the scale and the command line's words change: `full -> here`; empty for none."""
    if spec.scale == "full" and not spec.words and not spec.reworded:
        return {}
    found = {
        row.name: {
            **_numbers(compose_row(spec, row, False, False), compose_row(spec, row)),
            **({"evaluate": spec.evaluated[row.name]} if row.name in spec.evaluated else {}),
            **spec.reworded,
        }
        for row in spec.rows
    }
    return found if any(found.values()) else {}


def changed_by_words(spec: TableSpec) -> dict[str, str]:
    """Of any row, the settings that the command line's words change."""
    found = [_numbers(compose_row(spec, row, own=False), compose_row(spec, row)) for row in spec.rows if spec.words]
    return {**spec.reworded, **{key: change for each in found for key, change in each.items()}}


def _numbers(before: DictConfig, after: DictConfig) -> dict[str, str]:
    """The differences that may change a number."""
    return {key: each for key, each in differences(before, after).items() if not is_below(key, HARMLESS)}


def _wanted(spec: TableSpec, row: RowSpec, seed: int, cfg: DictConfig, data: str) -> Wanted:
    cfg = cfg.copy()
    cfg.seed = seed
    parts: dict[str, Any] = {"code": code_hash(), "data": data, "seed": seed}
    if row.statistic is None:
        parts |= {
            "config": config_hash(_without(redacted(cfg), HARMLESS)),
            "evaluate": spec.evaluate if row.evaluate is None else row.evaluate,
            "split": spec.split,
        }
    else:  # its data's config too: the fingerprint is that of the files, not of what is made of them
        of_data = _without(redacted(cfg), HARMLESS)["data"]
        parts |= {"statistic": row.statistic, "arguments": dict(row.arguments), "config": config_hash(of_data)}
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    words = (*spec.shared, *row.words, *spec.scaled[row.name], f"seed={seed}")
    return Wanted(row, seed, words, key, spec.output / "cells" / key[:20], parts)


def _without(values: Any, keys: Sequence[str]) -> Any:
    """A config without what changes no number, such as where the data lie: their fingerprint says what they are."""
    if not isinstance(values, dict):
        return values
    below = {name: [key.partition(".")[2] for key in keys if key.startswith(f"{name}.")] for name in values}
    return {name: _without(value, below[name]) for name, value in values.items() if name not in keys}


@cache
def code_hash() -> str:
    """sha256 over the code that numbers depend on."""
    paths = [path for path in sorted(SOURCE.rglob("*")) if path.suffix in (".py", ".yaml")]
    kept = [path for path in paths if path.relative_to(SOURCE).parts[0] not in NOT_THE_NUMBERS]
    whole = hashlib.sha256()
    for path in kept:
        whole.update(f"{path.relative_to(SOURCE)}\0".encode() + path.read_bytes())
    return whole.hexdigest()


_fingerprints: dict[str, str] = {}


def fingerprint(cfg: DictConfig) -> str:
    """Of all splits of the config's data, as in `result.json`; files are read once, then the cache answers."""
    with user_mistakes():
        source = build_source(cfg)
        described = json.dumps(str(cfg.data))
        if described not in _fingerprints:
            found = [each.fingerprint for split in SPLITS if (each := scan(source, split)) is not None]
            _fingerprints[described] = hashlib.sha256("".join(found).encode()).hexdigest()
    return _fingerprints[described]


def read_cells(wanted: Iterable[Wanted], scores: Sequence[str]) -> dict[tuple[str, int], Cell | str]:
    """By row and seed, the finished cells; or why one that is there is not taken.

    Args:
        wanted: cells, of which those that are not finished are left out.
        scores: whose replicates are read.
    """
    return {(each.row.name, each.seed): _read(each, scores) for each in wanted if each.is_finished()}


def _read(wanted: Wanted, scores: Sequence[str]) -> Cell | str:
    try:
        found = json.loads((wanted.folder / CELL).read_text())
        if found["key"] != wanted.key:
            return f"refused: {wanted.folder / CELL} is the cell of another config"
        names = found["replicates"]
        kept = {score: names.index(score) for score in scores if score in names}
        drawn = np.load(wanted.folder / REPLICATES, mmap_mode="r", allow_pickle=False) if kept else None
        replicates = {} if drawn is None else {score: np.array(drawn[place]) for score, place in kept.items()}
        values = {name: float("nan") if value is None else float(value) for name, value in found["scores"].items()}
        record = {key: value for key, value in found.items() if key not in ("scores", "replicates")}
        return Cell(wanted.seed, values, replicates, found["images"], tuple(found["marks"]), record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        return f"refused: {wanted.folder / CELL} cannot be read ({error}); delete its folder to train it again"
