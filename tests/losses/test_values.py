"""Values that must not change unnoticed between versions, and defaults that all losses share."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.testing import assert_close

import litseg.losses
from litseg.labels import IGNORE_INDEX, Task
from tests.losses.cases import MODES, PLAIN, make_labels, make_logits, make_void, with_void

PINNED_FILE = Path(__file__).parent / "values.yaml"


def value(name: str, mode: Task) -> float:
    target = with_void(make_labels(mode), make_void())
    return float(PLAIN[name](mode)(make_logits(mode, dtype=torch.float64), target))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PLAIN)
def test_values_are_pinned(name: str, mode: Task) -> None:
    pinned = yaml.safe_load(PINNED_FILE.read_text())
    assert_close(value(name, mode), pinned[name][mode], rtol=1e-9, atol=1e-9)


def own_losses() -> list[Any]:
    names = [name for name in PLAIN if name != "CompoundLoss"]
    return [getattr(litseg.losses, name) for name in names]


@pytest.mark.parametrize("kind", own_losses())
def test_every_loss_has_the_same_void_label(kind: Any) -> None:
    assert inspect.signature(kind).parameters["ignore_index"].default == IGNORE_INDEX
    assert kind().ignore_index == 255


@pytest.mark.parametrize("kind", own_losses())
def test_every_loss_is_callable_with_its_defaults(kind: Any) -> None:
    assert kind()(make_logits("multiclass"), make_labels("multiclass")).isfinite()


if __name__ == "__main__":  # python -m tests.losses.test_values > tests/losses/values.yaml
    print("# Losses with their default switches on a fixed batch in float64, by task; written by test_values.py.")
    print(
        yaml.safe_dump({name: {mode: value(name, mode) for mode in MODES} for name in PLAIN}, sort_keys=False), end=""
    )
