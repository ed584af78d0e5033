"""Trainings that leave the finite numbers, run out of memory, or are to be repeated exactly."""

import json
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import RunTrain, only_run
from tests.cli.training.test_resume import SMALL


def test_a_loss_that_stays_nan_ends_with_3_and_the_samples(
    run_train: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAULT", "nan")
    assert run_train(*SMALL, "nonfinite_steps=2", "callbacks.checkpoint.every_steps=1") == 3
    folder = only_run(tmp_path)
    error = capsys.readouterr().err
    assert "3 steps in a row" in error
    assert "Traceback" not in error
    dumps = sorted((folder / "nonfinite").glob("*.json"))
    assert [path.name for path in dumps] == [f"step-{step:08d}-rank0.json" for step in (3, 4, 5)]
    content = json.loads(dumps[0].read_text())
    assert (len(content["ids"]), content["gradients_not_finite"]) == (2, 1)
    for path in (folder / "checkpoints").glob("*.ckpt"):
        state = torch.load(path, weights_only=True)["state_dict"]
        assert all(value.isfinite().all() for value in state.values())


def test_one_nan_is_skipped_and_counted(run_train: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT", "nan once")
    assert run_train(*SMALL) == 0
    assert json.loads((only_run(tmp_path) / "result.json").read_text())["skipped_steps"] == 1


@pytest.mark.parametrize(("choice", "code"), [("stop", 137), ("halve", 0)])
def test_out_of_memory(
    run_train: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    choice: str, code: int,
) -> None:  # fmt: skip
    """With batches of two there is no memory, with batches of one there is."""
    monkeypatch.setenv("FAULT", "memory")
    assert run_train(*SMALL, f"out_of_memory={choice}") == code
    folder = only_run(tmp_path)
    if code:
        assert "lower loader.batch_size" in capsys.readouterr().err
        assert json.loads((folder / "status.json").read_text())["exit_code"] == 137
    else:
        result = json.loads((folder / "result.json").read_text())
        assert (result["batch_size_halved"], result["steps"]) == (1, 8)


@pytest.mark.parametrize("choice", ["warn", "strict"])
def test_deterministic_runs_are_equal_and_say_so(run_train: RunTrain, tmp_path: Path, choice: str) -> None:
    try:
        for name in ("one", "two"):
            assert run_train(*SMALL, f"deterministic={choice}", f"name={name}") == 0
    finally:
        torch.use_deterministic_algorithms(False)
    (one,), (two,) = tmp_path.glob("outputs/*/*-one"), tmp_path.glob("outputs/*/*-two")
    first, second = (torch.load(path / "checkpoints" / "last.ckpt", weights_only=True) for path in (one, two))
    assert all(torch.equal(first["state_dict"][key], second["state_dict"][key]) for key in first["state_dict"])
    assert json.loads((one / "result.json").read_text())["deterministic"] == choice


def test_an_unknown_word_for_deterministic(run_train: RunTrain, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_train(*SMALL, "deterministic=yes") == 2
    assert "expected one of off, warn, strict" in capsys.readouterr().err
