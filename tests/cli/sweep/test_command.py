"""`litseg sweep` from its words to its tables, with real jobs that take milliseconds."""

from pathlib import Path

import pytest

from litseg.cli.errors import UserError
from tests.cli.sweep.conftest import RunSweep, read_trials


def test_a_sweep_finds_the_best_and_writes_what_it_found(
    quick: RunSweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = quick(yaml="space: {x: {float: [0.0, 10.0]}, depth: {int: [1, 4]}}")
    trials = read_trials(tmp_path / "swept")
    best = next(iter(trials.values()))
    said = capsys.readouterr().out
    assert code == 0
    assert sorted(trials) == list(range(6))
    assert float(best["value"]) == max(float(row["value"]) for row in trials.values())
    assert float(best["value"]) == pytest.approx(1 - 0.01 * (float(best["x"]) - 3) ** 2)
    assert {row["state"] for row in trials.values()} == {"finished"}
    assert {row["epochs"] for row in trials.values()} == {"2"}
    assert f"best {float(best['value']):.4f} in trial {best['number']}" in said
    for name in ("history.png", "importance.png"):
        assert (tmp_path / "swept" / name).stat().st_size > 5000


def test_every_way_to_fail_is_a_row_with_its_reason(
    quick: RunSweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = "[none, segfault, diverge, raise, hang, refuse, no score]"
    yaml = f"space: {{fault: {kinds}}}\nbase: [x=3]\nsampler: grid\nminutes: 0.03"
    code = quick("trials=null", yaml=yaml)
    rows = {row["fault"]: row for row in read_trials(tmp_path / "swept").values()}
    assert code == 0
    assert {fault: (row["state"], row["exit_code"], row["reason"]) for fault, row in rows.items()} == {
        "none": ("finished", "0", ""),
        "segfault": ("failed", "139", "killed by SIGSEGV"),
        "diverge": ("failed", "3", "exit code 3"),
        "raise": ("failed", "1", "RuntimeError: it broke"),
        "hang": ("failed", "137", "timed out after 0.03 minutes"),
        "refuse": ("failed", "2", "model: expected another one"),
        "no score": ("failed", "0", "no finite val/miou in its result.json"),
    }
    assert "1 finished, 6 failed" in capsys.readouterr().out


def test_where_no_trial_finishes_the_exit_code_is_that_of_the_trials(quick: RunSweep) -> None:
    assert quick("trials=2", "fault=diverge") == 3


def test_the_first_three_that_are_refused_end_the_sweep(quick: RunSweep, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the first trials were refused.*model: expected another one"):
        quick("fault=refuse", "trials=20", "launcher.at_once=1")
    assert len(read_trials(tmp_path / "swept")) == 3


def test_the_same_command_goes_on_and_replays_nothing(quick: RunSweep, tmp_path: Path) -> None:
    words = ("launcher.at_once=1", f"counts={tmp_path}/starts")
    assert quick(*words, "trials=7") == 0
    whole = read_trials(tmp_path / "swept")
    (tmp_path / "swept").rename(tmp_path / "whole")
    (tmp_path / "starts").unlink()
    for trials in (2, 5, 5, 7):
        assert quick(*words, f"trials={trials}") == 0
    assert len((tmp_path / "starts").read_text().split()) == 7
    parts = read_trials(tmp_path / "swept")
    assert {number: row["x"] for number, row in parts.items()} == {number: row["x"] for number, row in whole.items()}


@pytest.mark.parametrize(
    ("yaml", "words", "said"),
    [
        ("space: {x: {float: [0.0, 9.0]}}", [], r"space: x: FloatDistribution\(high=10.0.*-> .*high=9.0"),
        ("space: {x: {float: [0.0, 10.0]}, y: [1, 2]}", [], r"space: y: \(absent\) -> Cat"),
        ("space: {x: {float: [0.0, 10.0]}}", ["objective=val/mdice"], "objective: val/miou -> val/mdice"),
        ("space: {x: {float: [0.0, 10.0]}}", ["sampler=random"], "sampler: tpe -> random"),
        ("space: {x: {float: [0.0, 10.0]}}", ["epochs=3"], r"base: \[\] -> \['epochs=3'\]"),
    ],
)
def test_another_sweep_in_the_same_folder_is_refused_with_its_difference(
    quick: RunSweep, yaml: str, words: list[str], said: str
) -> None:
    assert quick("trials=1") == 0
    with pytest.raises(UserError, match=said):
        quick("trials=2", *words, yaml=yaml)


def test_a_folder_and_its_storage_belong_together(quick: RunSweep, tmp_path: Path) -> None:
    storage = f"storage=sqlite:///{tmp_path}/all.db"
    assert quick("trials=1", storage) == 0
    with pytest.raises(UserError, match="lie in another folder"):
        quick("trials=2", storage, "folder=other")
    (tmp_path / "all.db").unlink()
    with pytest.raises(UserError, match="the storage does not know"):
        quick("trials=2", storage)


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_trial_that_falls_behind_is_pruned_and_that_is_no_failure(
    quick: RunSweep, tmp_path: Path, pruner: str
) -> None:
    settings = {"median": "{n_startup_trials: 1, n_warmup_steps: 1}", "hyperband": "{max_resource: 8}"}
    yaml = f"space: {{x: [3, 10, 11, 12]}}\nsampler: grid\npruner_settings: {settings[pruner]}"
    code = quick(f"pruner={pruner}", "epochs=8", "pause=0.2", "launcher.at_once=1", "trials=null", yaml=yaml)
    rows = {row["x"]: row for row in read_trials(tmp_path / "swept").values()}
    pruned = [row for row in rows.values() if row["state"] == "pruned"]
    assert code == 0
    assert rows["3"]["state"] == "finished"
    assert pruned
    for row in pruned:
        assert int(row["epochs"]) < 8
        assert pruner == "hyperband" or int(row["epochs"]) > 1  # n_warmup_steps: 1
        assert row["reason"] == f"pruned after {row['epochs']} epoch{'s' if int(row['epochs']) > 1 else ''}"


def test_a_plan_shows_all_points_of_a_grid_and_leaves_no_trace(
    quick: RunSweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quick("plan=true", "trials=null", yaml="space: {x: [1, 2], loss: [ce, dice]}\nsampler: grid") == 0
    said = capsys.readouterr().out
    assert "4 trials by grid" in said
    assert all(f"x={x} loss={loss}" in said for x in (1, 2) for loss in ("ce", "dice"))
    assert not (tmp_path / "swept").exists()
