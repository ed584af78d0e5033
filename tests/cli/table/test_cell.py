from typing import Any

import pytest

from litseg.cli.table.cell import limited


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        ({}, []),
        ({"limit_train_batches": None, "limit_val_batches": 1.0, "overfit_batches": 0.0, "fast_dev_run": False}, []),
        ({"limit_train_batches": 1}, ["limit_train_batches=1"]),
        ({"limit_test_batches": 0.5, "limit_val_batches": 0}, ["limit_val_batches=0", "limit_test_batches=0.5"]),
        ({"fast_dev_run": True, "overfit_batches": 1}, ["fast_dev_run=True", "overfit_batches=1"]),
    ],
)
def test_a_single_batch_is_a_limit_and_all_of_it_is_none(trainer: dict[str, Any], expected: list[str]) -> None:
    assert limited(trainer) == expected
