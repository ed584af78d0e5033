from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from litseg.results.tables.statistics import holm, p_value, row_replicates, summaries
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


def test_rows_of_other_images_are_judged_on_their_own() -> None:
    here = [Row(name, name, (0,), (cell(0, miou),)) for name, miou in (("a", 0.8), ("b", 0.7))]
    there = [Row(name, name, (0,), (cell(0, miou, images="others"),)) for name, miou in (("c", 0.5), ("d", 0.6))]
    alone = Row("e", "e", (0,), (cell(0, 0.9, images="of its own"),))
    found = summaries(replace(table(), rows=(*here, *there, alone), reference="b"))
    assert [found[name, "miou"].best for name in "abcde"] == [True, False, False, True, False]
    assert [found[name, "miou"].beats for name in "abcde"] == [True, False, False, False, False]
    assert found["c", "miou"].p is None


def _with_replicates(name: str, miou: float, drawn: np.ndarray) -> Row:
    return Row(name, name, (0,), (replace(cell(0, miou), replicates={"test/miou": drawn.astype(np.float32)}),))


def test_an_undefined_score_is_no_evidence() -> None:
    noise, gone = np.random.default_rng(0).normal(0, 0.01, 1000), np.full(1000, np.nan)
    rows = (_with_replicates("a", np.nan, gone), _with_replicates("b", 0.9, 0.9 + noise),
            _with_replicates("c", 0.2, 0.2 + noise))  # fmt: skip
    found = summaries(replace(table(), rows=rows, reference="c"))
    assert [found[name, "miou"].best for name in "abc"] == [False, True, False]
    assert found["a", "miou"].interval is None
    assert p_value(gone) == 1.0


def test_resamples_without_the_class_are_left_out() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 1000)
    some = np.where(np.arange(1000) % 3 == 0, np.nan, 0.5 + noise)
    rows = (_with_replicates("a", 0.5, some), _with_replicates("b", 0.5, 0.5 + noise))
    found = summaries(replace(table(), rows=rows, reference="b"))
    assert found["a", "miou"].interval == pytest.approx(np.nanpercentile(100 * some, [2.5, 97.5]), rel=1e-5)
    assert found["a", "miou"].p == 1.0
    two = replace(rows[0], seeds=(0, 1), cells=(*rows[0].cells, *rows[1].cells))
    drawn = row_replicates(two, COLUMNS[0])
    assert drawn is not None
    assert np.isnan(drawn).mean() < 0.15  # only where both drawn seeds have none


def test_many_rows_can_still_be_told_apart() -> None:
    low = [_with_replicates(f"low {place}", 0.1, 0.1 + np.random.default_rng(place).normal(0, 0.01, 1000))
           for place in range(60)]  # fmt: skip
    high = _with_replicates("high", 0.9, 0.9 + np.random.default_rng(99).normal(0, 0.01, 1000))
    found = summaries(replace(table(), rows=(*low, high), reference="low 0"))
    assert found["high", "miou"].best
    assert found["high", "miou"].beats
    assert not any(found[row.name, "miou"].best for row in low)


def test_the_normal_tail_is_that_of_scipy() -> None:
    drawn = np.random.default_rng(0).normal(5.0, 1.0, 1000)
    expected = 2 * scipy.stats.norm.sf(drawn.mean() / drawn.std())
    assert p_value(drawn) == pytest.approx(expected)
    assert p_value(-drawn) == pytest.approx(expected)


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
