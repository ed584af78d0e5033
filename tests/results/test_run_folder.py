import json
import math
import os
from pathlib import Path

import pytest

from litseg.results import config_hash, create_run_folder, write_json, write_status
from litseg.results import run_folder as module


def test_the_folder_names_experiment_time_process_and_run(tmp_path: Path) -> None:
    folder = create_run_folder(tmp_path, "unet_ce", "mine")
    assert folder.parent == tmp_path / "unet_ce"
    time, process, name = folder.name.rsplit("-", 2)
    assert (process, name) == (str(os.getpid()), "mine")
    assert len(time.split("-")) == 3


def test_two_runs_never_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class _Stopped:
        @staticmethod
        def now() -> "_Stopped":
            return _Stopped()

        def strftime(self, _: str) -> str:
            return "20260101-000000-000000"

    monkeypatch.setattr(module, "datetime", _Stopped)
    create_run_folder(tmp_path, "a", "b")
    with pytest.raises(FileExistsError):
        create_run_folder(tmp_path, "a", "b")


def test_json_is_strict_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"nan": math.nan, "list": [math.inf, 1.5], "nested": {"int": 2, "none": None}})
    assert json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail) == {
        "nan": None,
        "list": [None, 1.5],
        "nested": {"int": 2, "none": None},
    }
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"old": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"bad": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"old": 1}


def test_the_status_says_state_code_hash_and_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    write_status(tmp_path, "finished", 0, "abc")
    status = json.loads((tmp_path / "status.json").read_text())
    assert status == {
        "state": "finished", "exit_code": 0, "config_hash": "abc", "slurm_job_id": "17", "pid": os.getpid(),
    }  # fmt: skip


def test_the_config_hash_ignores_what_names_a_run_and_nothing_else() -> None:
    config = {"seed": 0, "loss": {"gamma": 2.0}, "run_folder": "a", "name": None, "output": "x"}
    assert config_hash(config) == config_hash(config | {"run_folder": "b", "name": "n", "output": "y"})
    assert config_hash(config) != config_hash(config | {"seed": 1})
    assert config_hash(config) == config_hash(dict(reversed(config.items())))
