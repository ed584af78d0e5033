"""A small table with everything in it."""

import numpy as np

from litseg.results.tables.table import Cell, Column, Direction, Row, Table, Tolerance

COLUMNS = (Column("miou", "mIoU", "test/miou"), Column("ece", "ECE", "test/ece", better="lower"))


def cell(seed: int, miou: float, spread: float = 0.01, images: str = "all", **settings: object) -> Cell:
    """A cell whose replicates scatter around its score as those of every other cell do."""
    noise = np.random.default_rng(0).normal(0, spread, 1000)
    drawn = {"test/miou": (miou + noise).astype(np.float32)}
    record = {"commit": "0123456789abcdef", "device": "cpu", "versions": {"torch": "2"}, "seconds": 60.0}
    return Cell(seed, {"test/miou": miou, "test/ece": 0.1}, drawn, images, record=record, **settings)  # type: ignore[arg-type]


def table(scale: str = "full") -> Table:
    """Cross-entropy, two seeds; Dice, clearly better, published; Lovász, whose second seed failed."""
    dirty = cell(0, 0.61, marks=("uncommitted changes",))
    rows = (
        Row("ce", "cross-entropy", (0, 1), (cell(0, 0.50), cell(1, 0.52))),
        Row("dice", "Dice & co", (0, 1), (cell(0, 0.60), cell(1, 0.62)), {"miou": 61.5}, {"miou": Tolerance(1.0)}),
        Row("lovasz", "Lovász", (0, 1), (dirty,), problems={1: "killed by SIGSEGV"}),
    )
    directions = (Direction("miou", "dice", "ce", by=5.0), Direction("miou", "ce", "dice"))
    changes = {} if scale == "full" else {row.name: {"trainer.max_epochs": "100 -> 4"} for row in rows}
    return Table("example", "Losses", COLUMNS, rows, "a paper", "two classes", directions, "ce", scale, changes)
