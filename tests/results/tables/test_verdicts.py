import math
from dataclasses import replace

import pytest

from litseg.results.tables.statistics import Summary, summaries
from litseg.results.tables.table import Tolerance
from litseg.results.tables.verdicts import against_committed, verdicts
from tests.results.tables.example import table


@pytest.mark.parametrize(
    ("tolerance", "inside", "outside"),
    [
        (Tolerance(absolute=2.0), 64.0, 64.1),
        (Tolerance(absolute=0.0), 62.0, 62.000001),
        (Tolerance(relative=0.01), 62.62, 62.63),
        (Tolerance(low=60, high=69), 69.0, 69.1),
        (Tolerance(low=60), 60.0, 59.9),
    ],
)
def test_tolerances(tolerance: Tolerance, inside: float, outside: float) -> None:
    assert tolerance.holds(inside, 62.0)
    assert not tolerance.holds(outside, 62.0)


def test_kinds_of_a_full_table() -> None:
    judged = verdicts(found := table(), summaries(found))
    assert [each.kind for each in judged] == ["missing", "within", "holds", "fails"]
    assert judged[0].text == "seed 1: killed by SIGSEGV"
    assert judged[1].text == "61.0, published 61.5 (± 1)"
    assert judged[2].text == "in 2 of 2 seeds (+10.0, +10.0)"
    assert judged[3].text == "in 0 of 2 seeds (-10.0, -10.0)"
    assert [each.failed for each in judged] == [True, False, False, True]


def test_outside_says_by_how_much() -> None:
    rows = [replace(row, tolerance={"miou": Tolerance(absolute=0.1)}) for row in table().rows]
    found = replace(table(), rows=rows)
    judged = verdicts(found, summaries(found))[1]
    assert (judged.kind, judged.text) == ("outside", "61.0, published 61.5 (± 0.1): off by -0.5")


def test_a_scaled_table_claims_directions_only() -> None:
    judged = verdicts(found := table("cpu"), summaries(found))
    assert [each.kind for each in judged] == ["missing", "scaled", "holds", "fails"]
    assert not judged[1].failed


def test_a_direction_counts_the_seeds_that_both_rows_have() -> None:
    rows = list(table().rows)
    rows[1] = replace(rows[1], cells=rows[1].cells[:1])
    found = replace(table(), rows=rows, directions=table().directions[:1])
    assert verdicts(found, summaries(found))[-1].text == "in 1 of 1 seeds (+10.0)"


def test_a_value_that_cannot_be_judged_says_so() -> None:
    rows = [replace(row, tolerance={}) for row in table().rows]
    judged = verdicts(found := replace(table(), rows=rows), summaries(found))
    assert [each.kind for each in judged] == ["missing", "unjudged", "holds", "fails"]
    assert not judged[1].failed
    assert not judged[1].claims
    left = replace(table(), rows=table().rows[1:])
    assert [(each.kind, each.text) for each in verdicts(left, summaries(left))[-2:]] == [
        ("unjudged", "not in this table: ce"), ("unjudged", "not in this table: ce")
    ]  # fmt: skip


@pytest.mark.parametrize("scale", ["full", "cpu"])
@pytest.mark.parametrize("tolerance", [{}, {"miou": Tolerance(absolute=100.0)}])
def test_an_undefined_score_is_missing(scale: str, tolerance: dict[str, Tolerance]) -> None:
    made = table(scale)
    cells = tuple(replace(each, scores={"test/miou": math.nan}) for each in made.rows[1].cells)
    found = replace(made, rows=(replace(made.rows[1], tolerance=tolerance, cells=cells),), directions=())
    assert [each.kind for each in verdicts(found, summaries(found))] == ["missing"]


def test_against_a_committed_table() -> None:
    found = {(row, column): Summary(51.0, 1.0, 3) for row in ("ce", "dice", "lovasz") for column in ("miou", "ece")}
    committed = {"ce": {"miou": (52.0, 0.4), "ece": (52.0, 0.3)}, "dice": {"miou": (0.0, 0.1), "ece": (51.0, 0.1)}}
    judged = against_committed(table(), found, committed)
    kinds = ["within", "outside", "within", "unjudged", "unjudged"]  # miou of dice has a published value
    assert [each.kind for each in judged] == kinds
    assert judged[0].text == "51.0, committed 52.0 ± 3 x 0.40"
    assert judged[3].text == "51.0: not in the committed table"
    assert against_committed(table(), found, {}) == []


def test_of_one_committed_seed_nothing_but_rounding_may_differ() -> None:
    row = table().rows[0]
    found = {("ce", "miou"): Summary(51.0, math.nan, 1), ("ce", "ece"): Summary(10.0, math.nan, 1)}
    committed = {"ce": {"miou": (51.04, math.nan), "ece": (10.06, math.nan)}}
    judged = against_committed(replace(table(), rows=(row,)), found, committed)
    assert [each.kind for each in judged] == ["within", "outside"]
    assert judged[1].text == "10.0, committed 10.1 (one seed: nothing but rounding may differ)"
