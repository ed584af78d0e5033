"""A run folder read as data: whatever of it is there. It may come from a stranger, so nothing is taken for granted."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from litseg.results.redaction import redact
from litseg.results.run_folder import runs_inside

LARGEST_CONFIG = 2**18
"""Bytes; ours have 8 KiB."""
MOST_SETTINGS = 2000
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Evaluation:
    """`evaluation/<split>/`, or of a split that only training has evaluated, its metrics.

    Attributes:
        split: train, val, test, or the name of another evaluation.
        result: `result.json`; `metrics` by name, `intervals`, `class_names`, `palette`.
        classes: one row a class.
        images: one row an image, the worst first.
        matrix: (C, C) pixels, rows truth; multilabel: (C, 2, 2).
        curves: `curves.json`.
        samples: `samples.json`.
        folder: where it lies; None where only training has evaluated.
    """

    split: str
    result: dict[str, Any]
    classes: Rows
    images: Rows = field(default_factory=list)
    matrix: list[Any] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)
    samples: list[Any] = field(default_factory=list)
    folder: Path | None = None

    @property
    def metrics(self) -> dict[str, Any]:
        """By name; empty where the file has none."""
        return _mapping(self.result.get("metrics"))

    def interval(self, name: str) -> tuple[float, float] | None:
        """A metric's confidence interval."""
        found = _mapping(self.result.get("intervals")).get(name)
        low, high = map(number, found) if isinstance(found, list) and len(found) == 2 else (None, None)
        return None if low is None or high is None else (low, high)


@dataclass(frozen=True)
class RecordedRun:
    """What a run folder holds.

    Attributes:
        folder: as it was given.
        settings: the resolved config, secrets out, by dotted key.
        result: `result.json`; empty before training has ended.
        status: `status.json`.
        rows: of `metrics.csv`.
        evaluations: test first.
        problems: files that cannot be read.
    """

    folder: Path
    settings: dict[str, Any]
    result: dict[str, Any]
    status: dict[str, Any]
    rows: Rows
    evaluations: list[Evaluation]
    problems: list[str]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name


def read_run(folder: Path) -> RecordedRun:
    """Reads what there is.

    Raises:
        ValueError: not a run folder.
    """
    if not (folder / "config.yaml").is_file():
        raise ValueError(f"expected a run folder with a config.yaml in it, got {folder}{runs_inside(folder)}")
    problems: list[str] = []
    result = _mapping(_json(folder / "result.json", problems))
    evaluations = [*_evaluations(folder, problems), *_of_training(result)]
    found = {each.split: each for each in reversed(evaluations)}  # a split's own evaluation before training's
    order = sorted(found, key=lambda split: ({"test": 0, "val": 1}.get(split, 2), split))
    return RecordedRun(
        folder,
        _settings(folder / "config.yaml", problems),
        result,
        _mapping(_json(folder / "status.json", problems)),
        _table(folder / "metrics.csv", problems),
        [found[split] for split in order],
        problems,
    )


def number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _evaluations(folder: Path, problems: list[str]) -> Iterator[Evaluation]:
    for path in sorted((folder / "evaluation").glob("*/result.json")):
        split = path.parent
        yield Evaluation(
            split.name,
            _mapping(_json(path, problems)),
            _table(split / "classes.csv", problems),
            _table(split / "images.csv", problems),
            _list(_mapping(_json(split / "confusion.json", problems)).get("matrix")),
            _mapping(_json(split / "curves.json", problems)),
            _list(_json(next(iter(sorted(split.rglob("samples.json"))), split / "samples.json"), problems)),
            split,
        )


def _of_training(result: dict[str, Any]) -> Iterator[Evaluation]:
    for split, values in _mapping(result.get("metrics")).items():
        metrics = _mapping(values)
        names = [key.partition("/")[2] for key in metrics if key.startswith("iou/")]
        kinds = ("iou", "dice", "precision", "recall")
        classes = [{"class": name} | {kind: str(metrics.get(f"{kind}/{name}")) for kind in kinds} for name in names]
        yield Evaluation(split, {"metrics": metrics}, classes)


def _settings(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise ValueError(f"more than {LARGEST_CONFIG} bytes")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        flat = dict(islice(_flat(content), MOST_SETTINGS))  # aliases can make a small file endless
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        _note(path, error, problems)
        return {}
    # by their names one knows secrets; in one call, for each looks through the whole environment
    shown = redact([{key.rpartition(".")[2]: value} for key, value in flat.items()])
    return {key: value for key, each in zip(flat, shown, strict=True) for value in each.values()}


def _flat(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping | list) and node:
        for name, value in node.items() if isinstance(node, Mapping) else enumerate(node):
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    elif key:
        yield key, node


def _json(path: Path, problems: list[str]) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return _note(path, error, problems)


def _table(path: Path, problems: list[str]) -> Rows:
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            return [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(file)]
    except (OSError, csv.Error) as error:
        _note(path, error, problems)
        return []


def _note(path: Path, error: Exception, problems: list[str]) -> None:
    problems.append(f"{path.name} cannot be read: {str(error)[:200]}")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
