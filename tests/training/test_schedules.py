import pytest
import torch

from litseg.training.schedules import FACTORS, schedule


def _rates(shape: str, steps: int, **options: float) -> list[float]:
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
        ("one_cycle", {"warmup": 0.5, "start": 0.04, "end": 0.01}, 0.08, 2.0, 0.02),
    ],
)
def test_exact_at_the_start_half_way_and_at_the_end(
    shape: str, options: dict[str, float], start: float, half: float, end: float
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
