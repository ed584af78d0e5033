"""pitfalls.yaml: every fault of sections A to D has a test here, or a reason."""

import re
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).parents[1]
PITFALLS = yaml.safe_load((Path(__file__).parent / "pitfalls.yaml").read_text())


def test_all_numbers_are_there() -> None:
    assert sorted(PITFALLS) == list(range(1, 50))


@pytest.mark.parametrize("number", PITFALLS)
def test_the_test_exists_or_there_is_a_reason(number: int) -> None:
    entry = PITFALLS[number]
    if entry.startswith("not here: "):
        return
    file, test = entry.split("::")
    assert re.search(rf"^def {test}\(", (TESTS / file).read_text(), re.MULTILINE), entry
