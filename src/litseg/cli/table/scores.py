"""Which scores the cells of a table have, so that a misspelt column costs no training."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from litseg.cli.errors import UserError, user_mistakes
from litseg.cli.table.cells import compose_row
from litseg.cli.table.parts import RowSpec
from litseg.cli.table.spec import TableSpec
from litseg.cli.wiring.source import build_source
from litseg.cli.words import names
from litseg.data.scan import scan
from litseg.data.source import SPLITS
from litseg.labels import Task


def refuse_misspelt_columns(spec: TableSpec) -> None:
    """Asks the metrics for their names before anything is trained; statistics are counted too fast to ask.

    Raises:
        UserError: with the nearest names.
    """
    if any(row.statistic is not None for row in spec.rows):
        return
    have = {name for row in spec.rows for name in _scores(spec, row)}
    refuse_unknown_scores(spec, have)


def refuse_unknown_scores(spec: TableSpec, have: Collection[str]) -> None:
    """A column whose score is not among those that there are is a mistake in the table.

    Raises:
        UserError: with the nearest names.
    """
    for column in spec.columns:
        if column.score not in have and not ("/loss/" in column.score and f"{spec.split}/loss" in have):
            close = get_close_matches(column.score, sorted(have), n=3, cutoff=0.4)
            raise UserError(f"columns.{column.name}: no cell has the score {column.score!r}; near: {', '.join(close)}")


def _scores(spec: TableSpec, row: RowSpec) -> Iterable[str]:
    evaluate = spec.evaluate if row.evaluate is None else row.evaluate
    parts = next((names(word.partition("=")[2]) for word in evaluate or () if word.startswith("metrics=")), None)
    with user_mistakes():
        source = build_source(compose_row(spec, row))
    training, evaluation = (_measured(source.class_names, source.task, each) for each in ((), parts))
    for split in SPLITS:
        with user_mistakes():
            there = split != "train" and scan(source, split) is not None
        if there:  # training scores them at its end
            yield from (f"{split}/{name}" for name in (*training, "loss"))
        if split == spec.split and evaluate is not None:
            yield from (f"{split}/{name}" for name in (*evaluation, "loss"))
            yield from (f"{split}/batch_iou/{name}" for name in source.class_names)


def _measured(class_names: tuple[str, ...], task: Task, parts: Collection[str] | None) -> list[str]:
    """The names of what an evaluation measures, from an image of the first class."""
    import torch

    from litseg.metrics import EvaluationMetrics
    from litseg.metrics.evaluation import PARTS

    channels = 1 if task == "binary" else len(class_names)
    metrics = EvaluationMetrics(class_names, task, [part for part in PARTS if parts is None or part in parts])
    shape = (1, channels, 8, 8) if task == "multilabel" else (1, 8, 8)
    metrics.update(torch.zeros(1, channels, 8, 8), torch.zeros(shape, dtype=torch.long), ["an image"])
    return list(metrics.compute())
