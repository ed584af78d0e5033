from typing import Any

import pytest
from omegaconf import OmegaConf

from litseg.cli.table.trial import _left

STEP, VAL, TEST, BETWEEN = 2.0, 0.5, 0.25, 7.0


def ends(steps: int, batches: int) -> dict[str, list[list[float]]]:
    """Of two epochs with a validation after each, a validation and a test at the end."""
    now, found = 0.0, dict[str, list[list[float]]](train=[], val=[], test=[])

    def part(split: str, count: int, seconds: float) -> None:
        nonlocal now
        found[split].append([now := now + seconds for _ in range(count)])

    for _ in range(2):
        part("train", steps, STEP)
        part("val", batches, VAL)
        now += BETWEEN
    part("val", batches, VAL)
    part("test", batches, TEST)
    return found


@pytest.mark.parametrize(
    ("settings", "steps", "validations"),
    [
        ({"max_epochs": 5}, 50, 5),
        ({"max_epochs": 6, "check_val_every_n_epoch": 3}, 60, 2),
        ({"max_epochs": 5, "max_steps": 15, "accumulate_grad_batches": 2}, 30, 3),
    ],
)
def test_what_is_left_beyond_a_short_training(settings: dict[str, int], steps: int, validations: int) -> None:
    trainer = OmegaConf.create({"max_steps": -1, "accumulate_grad_batches": 1, "check_val_every_n_epoch": 1} | settings)
    counts = {"train": 10, "val": 20, "test": 30}
    expected = (steps - 12) * STEP + (validations - 2) * BETWEEN + (validations * 20 - 2 * 3) * VAL
    expected += (20 - 3) * VAL + (30 - 3) * TEST
    assert _left(ends(6, 3), counts, trainer) == pytest.approx(expected)


def test_epochs_of_one_batch_are_all_that_lies_between() -> None:
    trainer: Any = OmegaConf.create({"max_epochs": 4, "max_steps": -1, "check_val_every_n_epoch": 1})
    one = ends(1, 1)
    assert _left(one, {"train": 1, "val": 1, "test": 1}, trainer) == pytest.approx(2 * (BETWEEN + STEP + VAL))


def test_a_training_without_validation() -> None:
    trainer = OmegaConf.create({"max_epochs": 3, "max_steps": -1, "check_val_every_n_epoch": 1})
    alone = {"train": [[2.0, 4.0], [4.0 + 5.0 + 2.0, 13.0]], "val": [], "test": []}
    assert _left(alone, {"train": 2}, trainer) == pytest.approx(5.0 + 2 * 2.0)
