from dataclasses import replace

import numpy as np
import pytest

from litseg.results.tables.statistics import against, holm, p_value, row_replicates, summaries
from litseg.results.tables.table import Row
from tests.results.tables.example import COLUMNS, cell, table


def test_mean_and_sample_standard_deviation_in_percent() -> None:
    found = summaries(table())["ce", "miou"]
    assert found.mean == pytest.approx(51.0)
    assert found.std == pytest.approx(np.std([50, 52], ddof=1))
    assert found.seeds == 2


def test_one_seed_has_no_spread_and_the_interval_of_its_images() -> None:
    found = summaries(table())["lovasz", "miou"]
    assert np.isnan(found.std)
    expected = 61 + np.percentile(np.random.default_rng(0).normal(0, 1.0, 1000), [2.5, 97.5])
    assert found.interval == pytest.approx(tuple(expected), abs=1e-3)


def test_seeds_widen_the_interval() -> None:
    row = Row("a", "a", (0, 1), (cell(0, 0.5), cell(1, 0.6)))
    both, one = row_replicates(row, COLUMNS[0]), row_replicates(replace(row, cells=row.cells[:1]), COLUMNS[0])
    assert both is not None
    assert one is not None
    assert both.std() > 2 * one.std()


def test_a_cell_without_replicates_gives_no_interval() -> None:
    row = Row("a", "a", (0,), (replace(cell(0, 0.5), replicates={}),))
    assert row_replicates(row, COLUMNS[0]) is None
    assert summaries(replace(table(), rows=(row,), reference=None))["a", "miou"].interval is None


def test_the_best_is_marked_with_what_is_not_worse_beyond_chance() -> None:
    found = summaries(table())
    assert [found[row, "miou"].best for row in ("ce", "dice", "lovasz")] == [False, True, True]
    assert [found[row, "miou"].beats for row in ("ce", "dice", "lovasz")] == [False, True, True]
    assert not found["dice", "ece"].best  # there is no interval, so there is no significance


def test_lower_is_better_where_the_column_says_so() -> None:
    turned = replace(table(), columns=(replace(COLUMNS[0], better="lower"),), reference="dice")
    found = summaries(turned)
    assert found["ce", "miou"].best
    assert found["ce", "miou"].beats
    assert not found["dice", "miou"].best


def test_rows_of_other_images_are_not_compared() -> None:
    rows = (Row("a", "a", (0,), (cell(0, 0.5),)), Row("b", "b", (0,), (cell(0, 0.9, images="others"),)))
    replicates = {row.name: row_replicates(row, COLUMNS[0]) for row in rows}
    assert against("a", ["a", "b"], replace(table(), rows=rows), replicates) == {}  # type: ignore[arg-type]


def test_equal_rows_do_not_differ() -> None:
    assert p_value(np.zeros(1000)) == 1.0
    assert p_value(np.full(999, 0.1)) == pytest.approx(2 / 1000)
    assert p_value(np.array([-1.0] * 100 + [1.0] * 899)) == pytest.approx(2 * 101 / 1000)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_holm_keeps_the_error_of_a_family() -> None:
    generator = np.random.default_rng(0)
    families = generator.uniform(size=(2000, 10))
    assert np.mean([min(holm(family.tolist())) < 0.05 for family in families]) < 0.06
