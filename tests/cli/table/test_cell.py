import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from litseg.cli.errors import UserError
from litseg.cli.table import cell
from litseg.cli.table.cell import limited
from litseg.cli.table.cells import REQUEST, code_hash
from litseg.results import create_run_folder, write_status


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


def _run(folder: Path, **trainer: object) -> Path:
    run = folder / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump({"trainer": trainer}))
    return run


@pytest.mark.parametrize(("changes", "evaluate", "expected"), [
    ([], ["metrics=[]", "window=64"], []),
    ([], ["++trainer.limit_test_batches=2"], ["limited: limit_test_batches=2"]),
    ([{"checkpoint": "step-2.ckpt", "data.root": "a -> b", "loader.workers": "0 -> 2"}], [], []),
    ([{"checkpoint": "step-2.ckpt", "optimizer.lr": "1 -> 2"}], [], ["config changed on resume"]),
])  # fmt: skip
def test_marks(tmp_path: Path, changes: list[dict[str, str]], evaluate: list[str], expected: list[str]) -> None:
    result = {"dirty": False, "changes_on_resume": changes}
    assert cell._marks(_run(tmp_path), result, evaluate) == expected


def test_code_that_has_changed_since_the_table_began_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = {"parts": {"code": code_hash()}, "statistic": None}
    (tmp_path / REQUEST).write_text(json.dumps(request | {"parts": {"code": "of yesterday"}}))
    monkeypatch.setattr(sys, "argv", ["cell", str(tmp_path)])
    with pytest.raises(UserError, match="src/litseg has changed since the table was begun"):
        cell.main()


def test_a_cell_goes_on_with_its_own_run_whatever_its_config_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr("litseg.cli.train.main", lambda: told.append(sys.argv))
    monkeypatch.setattr(sys, "argv", ["cell"])
    cell.train_cell(tmp_path, {"words": ["loss=ce"]})
    run = create_run_folder(tmp_path / "runs", "unet_ce", "first")
    write_status(run, {"state": "preempted", "exit_code": 143, "config_hash": "of another data.root"})
    cell.train_cell(tmp_path, {"words": ["loss=ce"]})
    shared = ["train.py", "loss=ce", f"output={tmp_path / 'runs'}"]
    assert told == [shared, [*shared, f"resume={run}"]]
    spec: Any = sys.modules["__main__"].__spec__
    assert spec.name == "litseg.cli.train"
