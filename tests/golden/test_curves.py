"""Every shipped experiment trains as it did when its curve was stored."""

import json

import pytest

from tests.golden.compare import rows
from tests.golden.curves import EXPERIMENTS, STEPS, STORED, curve

CURVES = json.loads(STORED.read_text())


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.filterwarnings("ignore:.*number of training batches.*smaller than the logging interval")
@pytest.mark.filterwarnings("ignore:Experiment logs directory")
def test_the_first_ten_losses_are_the_stored_ones(experiment: str) -> None:
    write = f"make golden-write ARGS={experiment}"
    assert experiment in CURVES, f"{experiment} has no stored curve; write it by: {write}"
    losses = curve(experiment)
    assert len(losses) == STEPS
    changed = f"{experiment} trains otherwise than stored; if that is meant: {write}"
    assert losses[0] == pytest.approx(CURVES[experiment][0], rel=1e-5), changed
    assert losses == pytest.approx(CURVES[experiment], rel=1e-3), changed


def test_no_curve_is_stored_of_an_experiment_that_is_gone() -> None:
    assert set(CURVES) <= set(EXPERIMENTS), "make golden-write drops them"


def test_the_comparison_sees_one_bit() -> None:
    here = {"a": [1.0, 2.0], "b": [1.0, 2.0], "c": [0.0]}
    there = {"a": [1.0, 2.0], "b": [1.0, 2.0000000000000004], "d": [0.0]}
    assert rows(here, there) == [
        ("a", "equal", "0"), ("b", "differs from step 2 on", "2.2e-16"), ("c", "new", ""), ("d", "gone", "")
    ]  # fmt: skip
