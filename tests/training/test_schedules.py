import math
from typing import Any

import pytest
import torch

from litseg.training.schedules import FACTORS, Plateau, schedule, warmup_length


def _rates(shape: str, steps: int, **options: Any) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = schedule(optimizer, steps, shape, **options)
    rates = []
    for _ in range(steps + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("shape", "options", "start", "half", "end"),
    [
        ("constant", {}, 2.0, 2.0, 2.0),
        ("poly", {"power": 0.9}, 2.0, 2.0 * 0.5**0.9, 0.0),
        ("poly", {"power": 1.0, "end": 0.1}, 2.0, 1.1, 0.2),
        ("cosine", {}, 2.0, 1.0, 0.0),
        ("exponential", {"end": 0.01}, 2.0, 0.2, 0.02),
        ("step", {"milestones": [0.5, 0.75], "gamma": 0.1}, 2.0, 0.2, 0.02),
        ("step", {"milestones": [0.55, 1.0], "gamma": 0.5}, 2.0, 2.0, 0.5),
        ("one_cycle", {"warmup": 0.5, "start": 0.04, "end": 0.01}, 0.08, 2.0, 0.02),
    ],
)
def test_exact_at_the_start_half_way_and_at_the_end(
    shape: str, options: dict[str, Any], start: float, half: float, end: float
) -> None:
    rates = _rates(shape, 20, **options)
    assert [rates[0], rates[10], rates[20]] == pytest.approx([start, half, end], abs=1e-12)


def test_one_cycle_equals_torch() -> None:
    """torch places its peak at step pct_start * total - 1 and its end at total - 1: there ours is measured too."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2.0, total_steps=41, pct_start=11 / 41, div_factor=25, final_div_factor=400
    )
    theirs = []
    for _ in range(41):
        theirs.append(reference.get_last_lr()[0])
        optimizer.step()
        if len(theirs) < 41:
            reference.step()
    assert _rates("one_cycle", 40, warmup=0.25, start=0.04, end=1e-4) == pytest.approx(theirs)


def test_stays_at_the_end_value_after_the_last_step() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = schedule(optimizer, 3, "poly")
    for _ in range(6):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.0


@pytest.mark.parametrize("shape", sorted(FACTORS))
def test_factors_stay_within_0_and_1(shape: str) -> None:
    assert all(0.0 <= FACTORS[shape](step / 50) <= 1.0 for step in range(51))


def test_an_unknown_shape_is_refused() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ValueError, match=r"scheduler\.shape.*'ploy'"):
        schedule(optimizer, 3, "ploy")


@pytest.mark.parametrize("warmup_steps", [4, 0.2])
def test_a_warm_up_is_linear_and_the_shape_has_the_steps_that_are_left(warmup_steps: float) -> None:
    rates = _rates("cosine", 20, warmup_steps=warmup_steps)
    assert rates[:5] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])  # (step + 1) / 5 of the base rate 2
    assert [rates[8], rates[12], rates[20]] == pytest.approx([1 + 0.5**0.5, 1.0, 0.0], abs=1e-12)


def test_the_last_step_sees_the_rate_before_the_end() -> None:
    """Steps count from 0: the last of 20 has progress 19/20."""
    assert _rates("poly", 20, power=1.0)[19] == pytest.approx(2.0 / 20)
    assert _rates("exponential", 20, end=0.01)[19] == pytest.approx(2.0 * 0.01**0.95)


def test_exponential_has_one_ratio_and_equals_torch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    reference = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.01 ** (1 / 20))
    theirs = []
    for _ in range(21):
        theirs.append(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()
    assert _rates("exponential", 20, end=0.01) == pytest.approx(theirs)


@pytest.mark.parametrize("shape", sorted(FACTORS))
def test_a_resumed_schedule_goes_on_exactly(shape: str) -> None:
    whole = _rates(shape, 20, warmup_steps=3)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = schedule(optimizer, 20, shape, warmup_steps=3)
    for _ in range(11):
        optimizer.step()
        scheduler.step()
    states = optimizer.state_dict(), scheduler.state_dict()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = schedule(optimizer, 20, shape, warmup_steps=3)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    rates = []
    for _ in range(11, 21):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == whole[11:]


def test_each_group_keeps_its_own_base_rate() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (2.0, 0.2)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    scheduler = schedule(optimizer, 4, "poly", power=1.0)
    for _ in range(2):
        optimizer.step()
        scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1.0, 0.1])


@pytest.mark.parametrize("wrong", [-1, -0.1, 2.5])
def test_a_warm_up_is_a_number_of_steps_or_a_share(wrong: float) -> None:
    assert (warmup_length(0.25, 10), warmup_length(0, 10), warmup_length(7, 10)) == (2, 0, 7)
    with pytest.raises(ValueError, match=r"scheduler\.warmup_steps: expected a number of steps"):
        warmup_length(wrong, 10)


def test_an_unknown_option_is_refused_before_training() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(TypeError, match="powr"):
        schedule(optimizer, 30, "poly", warmup_steps=5, powr=1.0)


def _plateau(**options: Any) -> tuple[torch.optim.Optimizer, Plateau]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    return optimizer, Plateau(optimizer, 100, **options)


def _validated(optimizer: torch.optim.Optimizer, plateau: Plateau, values: list[float]) -> list[float]:
    """The rates after one step and one validation each."""
    found = []
    for value in values:
        optimizer.step()
        plateau.step()
        plateau.validated(value)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_a_plateau_drops_the_rate_after_its_patience_and_goes_on_after_a_resume() -> None:
    options: dict[str, Any] = {"factor": 0.1, "patience": 1, "warmup_steps": 1}
    values = [0.5, 0.6, 0.6, math.nan, 0.7, 0.6, 0.6, 0.8]
    whole = _validated(*_plateau(**options), values)
    assert whole == pytest.approx([2.0, 2.0, 2.0, 0.2, 0.2, 0.2, 0.02, 0.02])
    optimizer, plateau = _plateau(**options)
    first = _validated(optimizer, plateau, values[:3])
    states = optimizer.state_dict(), plateau.state_dict()
    optimizer, plateau = _plateau(**options)
    optimizer.load_state_dict(states[0])
    plateau.load_state_dict(states[1])
    assert first + _validated(optimizer, plateau, values[3:]) == whole


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_plateau_without_warm_up_equals_torch(mode: Any) -> None:
    values = torch.rand(60, generator=torch.Generator().manual_seed(1)).tolist()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, factor=0.7, patience=2, threshold=0.05, threshold_mode="abs", eps=0.0
    )
    theirs = []
    for value in values:
        reference.step(value)
        theirs.append(optimizer.param_groups[0]["lr"])
    ours = _validated(*_plateau(mode=mode, factor=0.7, patience=2, min_delta=0.05), values)
    assert len(set(ours)) > 5
    assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("wrong", [{"mode": "best"}, {"factor": 1.0}, {"patience": -1}])
def test_a_plateau_refuses_what_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="scheduler: expected mode max or min, factor between 0 and 1"):
        _plateau(**wrong)
