"""Schedules of the weights of a compound's terms: values by hand, refusals, built by Hydra."""

import math
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from litseg.losses import CompoundLoss
from litseg.losses.weight_schedule import Cosine, Linear, Step, WeightSchedule

HALF = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Linear(1.0, 0.0), {0.0: 1.0, 0.25: 0.75, 0.5: 0.5, 1.0: 0.0}),
        (Linear(0.5, 2.5), {0.0: 0.5, 0.25: 1.0, 0.5: 1.5, 1.0: 2.5}),
        (Linear(0.0, 1.0, begin=0.25, finish=0.75), {0.0: 0.0, 0.25: 0.0, 0.5: 0.5, 0.75: 1.0, 1.0: 1.0}),
        (Cosine(1.0, 0.0), {0.0: 1.0, 0.25: (1 + HALF) / 2, 0.5: 0.5, 0.75: (1 - HALF) / 2, 1.0: 0.0}),
        (Cosine(1.0, 3.0, begin=0.5), {0.0: 1.0, 0.5: 1.0, 0.75: 2.0, 1.0: 3.0}),
        (Step([1.0, 0.5, 0.0], at=[0.5, 0.75]), {0.0: 1.0, 0.49: 1.0, 0.5: 0.5, 0.74: 0.5, 0.75: 0.0, 1.0: 0.0}),
        (Step([2.0], at=[]), {0.0: 2.0, 0.5: 2.0, 1.0: 2.0}),
    ],
)
def test_by_hand(schedule: WeightSchedule, expected: dict[float, float]) -> None:
    for progress, weight in expected.items():
        assert schedule(progress) == pytest.approx(weight, abs=1e-12)
    for end in (0.0, 1.0):
        assert schedule(end) == expected[end]  # exactly: a weight of 0 switches a term off


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(-1.0, 0.0), "start: got the weight -1.0, expected a finite number >= 0"),
        (lambda: Cosine(0.0, math.inf), "end: got the weight inf"),
        (lambda: Linear(0.0, 1.0, begin=0.5, finish=0.5), "begin, finish: got 0.5, 0.5, expected 0 <= begin < finish"),
        (lambda: Cosine(0.0, 1.0, finish=1.5), "begin, finish: got 0.0, 1.5"),
        (lambda: Step([1.0, math.nan], at=[0.5]), r"values\[1\]: got the weight nan"),
        (lambda: Step([1.0, 0.0], at=[]), r"at: got \[\], expected 1 shares"),
        (lambda: Step([1.0, 0.5, 0.0], at=[0.5, 0.5]), r"at: got \[0.5, 0.5\], expected 2 shares .* rising"),
        (lambda: Step([1.0, 0.0], at=[1.0]), r"at: got \[1.0\]"),
    ],
)
def test_what_is_wrong_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("convert", ["none", "all"])
def test_hydra_builds_a_compound_with_schedules(convert: str) -> None:
    here, dice = "litseg.losses.weight_schedule", {"_target_": "litseg.losses.DiceLoss"}
    terms = {
        "a": [{"_target_": f"{here}.Cosine", "start": 1.0, "end": 0.0}, dice],
        "b": [{"_target_": f"{here}.Step", "values": [0.0, 1.0], "at": [0.5]}, dice],
    }
    config = OmegaConf.create({"_target_": "litseg.losses.CompoundLoss", "terms": terms})
    loss = instantiate(config, _convert_=convert)
    assert isinstance(loss, CompoundLoss)
    loss.set_progress(0.5)
    assert loss.weights.tolist() == [0.5, 1.0]


def test_a_schedule_shows_its_settings() -> None:
    assert repr(Linear(1.0, 0.0, finish=0.5)) == "Linear(start=1.0, end=0.0, begin=0.0, finish=0.5)"
