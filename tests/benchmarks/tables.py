"""How long a table of many recorded cells takes to be read and judged.

python -m tests.benchmarks.tables [CELLS]
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from litseg.cli.table.cells import CELL, REPLICATES, Wanted, read_cells
from litseg.cli.table.parts import RowSpec
from litseg.results.tables.statistics import summaries
from litseg.results.tables.table import Cell, Column, Row, Table

SEEDS, RESAMPLES = 20, 1000
SCORES = ("test/miou", "test/mdice", "test/recall", "test/precision")


def write(folder: Path, number: int) -> Wanted:
    """One cell as `litseg.cli.table.cell` leaves it: 60 scores, replicates of 4 of them."""
    row, generator = RowSpec(f"row{number // SEEDS}", ""), np.random.default_rng(number)
    wanted = Wanted(row, number % SEEDS, (), str(number), folder / str(number), {})
    wanted.folder.mkdir()
    scores = dict.fromkeys(SCORES, float(generator.uniform(0.4, 0.6))) | {f"test/iou/{n}": 0.5 for n in range(56)}
    content = {"key": wanted.key, "scores": scores, "images": "all", "replicates": SCORES, "marks": []}
    (wanted.folder / CELL).write_text(json.dumps(content))
    drawn = generator.normal(scores["test/miou"], 0.01, (len(SCORES), RESAMPLES))
    np.save(wanted.folder / REPLICATES, drawn.astype(np.float32))
    return wanted


def main() -> None:
    """Writes so many cells, then times reading and statistics."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        wanted = [write(Path(folder), number) for number in range(count)]
        began = time.perf_counter()
        cells = {key: cell for key, cell in read_cells(wanted, SCORES).items() if isinstance(cell, Cell)}
        read = time.perf_counter()
        names = dict.fromkeys(each.row.name for each in wanted)
        seeds = tuple(range(SEEDS))
        rows = [Row(name, name, seeds, tuple(cells[name, seed] for seed in seeds)) for name in names]
        columns = [Column(score.replace("/", "_"), score, score) for score in SCORES]
        found = summaries(Table("many", "many", columns, rows, reference=rows[0].name))
        ended = time.perf_counter()
    print(f"{count} cells in {len(rows)} rows, {len(found)} values: {ended - began:.2f} s"
          f" ({read - began:.2f} s to read, {ended - read:.2f} s of statistics); wanted: 5 s")  # fmt: skip


if __name__ == "__main__":
    main()
