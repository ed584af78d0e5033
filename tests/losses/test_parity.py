"""conf/loss/parity gives the values of other libraries."""

import pytest

from litseg.labels import Task
from tests.losses.parity import FOLDER, ROWS, Theirs, largest_difference


@pytest.mark.parametrize(("name", "what", "mode", "void", "theirs"), ROWS, ids=[f"{r[0]}-{r[2]}" for r in ROWS])
def test_reproduces(name: str, what: str, mode: Task, void: bool, theirs: Theirs) -> None:
    assert largest_difference(name, mode, void, theirs) < 1e-5, what


def test_every_config_is_compared() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {row[0] for row in ROWS}
