import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from litseg.training import FiniteSteps, NonFiniteError
from tests.training.fitting import small_data, small_module, trainer_for


class Poison(Callback):
    """Makes something infinite or NaN in some steps, and keeps what the module holds before each."""

    def __init__(self, what: str, steps: set[int]) -> None:
        self.what, self.steps = what, steps
        self.states: list[dict[str, torch.Tensor]] = []

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        self.states.append({name: value.clone() for name, value in module.model.state_dict().items()})
        if self.what == "image" and trainer.global_step in self.steps:
            batch["image"] = batch["image"].float()
            batch["image"][0, 0, 0, 0] = float("nan")

    def on_after_backward(self, trainer: Any, module: Any) -> None:
        if self.what == "gradient" and trainer.global_step in self.steps:
            next(module.parameters()).grad[0] = float("inf")


def _train(folder: Path, poison: Poison, budget: int, **options: Any) -> FiniteSteps:
    finite = FiniteSteps(folder / "nonfinite", budget)
    trainer = trainer_for(folder, callbacks=[poison, finite], **options)
    trainer.fit(small_module(), datamodule=small_data(12))
    return finite


@pytest.mark.parametrize("what", ["image", "gradient"])
def test_a_skipped_step_changes_nothing_and_is_put_down(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    poison = Poison(what, {2})
    with caplog.at_level(logging.WARNING):
        finite = _train(tmp_path, poison, 1)
    before, after = poison.states[2], poison.states[3]
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert [name for name in changed if "num_batches_tracked" not in name] == []
    assert not torch.equal(poison.states[3]["network.0.weight"], poison.states[4]["network.0.weight"])
    assert finite.skipped == 1
    (dump,) = (tmp_path / "nonfinite").iterdir()
    assert dump.name == "step-00000002-rank0.json"
    content = json.loads(dump.read_text())
    assert (content["step"], len(content["ids"])) == (2, 2)
    assert content["gradients_not_finite"] >= 1
    assert "step 2 is skipped" in caplog.text


def test_all_batches_of_an_accumulated_step_are_named(tmp_path: Path) -> None:
    _train(tmp_path, Poison("image", {1}), 1, accumulate_grad_batches=2)
    (dump,) = (tmp_path / "nonfinite").iterdir()
    assert len(json.loads(dump.read_text())["ids"]) == 4


def test_the_budget_counts_steps_in_a_row(tmp_path: Path) -> None:
    assert _train(tmp_path / "a", Poison("gradient", {0, 2, 4}), 1).skipped == 3
    with pytest.raises(NonFiniteError, match=r"3 steps in a row \(nonfinite_steps=2\)"):
        _train(tmp_path / "b", Poison("gradient", {1, 2, 3}), 2)
    with pytest.raises(NonFiniteError, match="1 steps in a row"):
        _train(tmp_path / "c", Poison("gradient", {1}), 0)
    with pytest.raises(ValueError, match="at least 0"):
        FiniteSteps(tmp_path, -1)
