"""The metrics give the values of other libraries, and docs/metrics_parity.md says so."""

from pathlib import Path

import pytest

from tests.metrics.parity import ROWS, Function, largest_difference

TABLE = Path(__file__).parents[2] / "docs" / "metrics_parity.md"


@pytest.mark.parametrize(("name", "what", "bound", "ours", "theirs"), ROWS, ids=[f"{r[0]}-{r[1]}" for r in ROWS])
def test_reproduces(name: str, what: str, bound: float, ours: Function, theirs: Function) -> None:
    assert largest_difference(ours, theirs) < bound, what


def test_the_document_lists_every_row() -> None:
    lines = [line.strip("|").split("|")[:3] for line in TABLE.read_text().splitlines() if line.startswith("| ")][1:]
    assert [[cell.strip() for cell in line] for line in lines] == [[r[0], r[1], f"{r[2]:.0e}"] for r in ROWS]
