"""The runner's decisions, with real processes whose target is no training."""

import json
from pathlib import Path

import pytest

from litseg.cli.table import runner
from litseg.cli.table.cells import CELL, REQUEST, Wanted
from litseg.cli.table.runner import Problems, train_missing
from litseg.jobs.lease import Lease
from litseg.jobs.local import LocalLauncher
from tests.cli.table.test_cells import wanted

TARGETS = "tests.cli.table.targets"


def train(
    tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch, at_once: int = 2
) -> tuple[list[Wanted], Problems, int]:
    monkeypatch.setattr(runner, "TARGET", f"{TARGETS}:{target}")
    spec, cells = wanted(tmp_path)
    return cells, *train_missing(spec, cells, LocalLauncher(at_once=at_once, threads=1))


def test_what_is_missing_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, problems, code = train(tmp_path, "finish", monkeypatch)
    assert (problems, code) == ({}, 0)
    _, again, _ = train(tmp_path, "finish", monkeypatch)
    assert again == {}
    assert [(cell.folder / "begun").read_text() for cell in cells] == ["x"] * 4


def test_a_fault_that_may_pass_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, problems, _ = train(tmp_path, "fail_at_first", monkeypatch)
    assert problems == {}
    assert all((cell.folder / "begun").read_text() == "xx" for cell in cells)


def test_a_mistake_is_not_and_its_message_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, problems, code = train(tmp_path, "refuse", monkeypatch, at_once=1)
    assert {key: problems[key] for key in [("ce", 0), ("dice", 0)]} == dict.fromkeys(
        [("ce", 0), ("dice", 0)], "exit code 2, error: no such loss"
    )
    assert {problems["ce", 1], problems["dice", 1]} == {"not begun, as seed 0 was refused"}
    assert code == 2
    assert not any(cell.is_finished() for cell in cells)


def test_what_a_job_says_may_look_like_the_terminals_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, problems, code = train(tmp_path, "break_down", monkeypatch)
    assert set(problems.values()) == {"exit code 1, RuntimeError: [/gloo/pair.cc:534] closed by [peer]"}
    assert code == 1
    assert "[/gloo/pair.cc:534] closed by [peer]" in capsys.readouterr().err


def test_a_cell_that_another_runner_holds_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ELSEWHERE", 0.1)
    spec, cells = wanted(tmp_path)
    cells[0].folder.mkdir(parents=True)
    held = Lease.take(cells[0].folder)
    assert held is not None
    (cells[0].folder / REQUEST).write_text("of the other runner")
    calls = 0

    def other_runner_ends(_: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            (cells[0].folder / CELL).write_text(json.dumps({"scores": {"test/miou": 0.5}}))
            held.release()

    monkeypatch.setattr("time.sleep", other_runner_ends)
    monkeypatch.setattr(runner, "TARGET", f"{TARGETS}:finish")
    assert train_missing(spec, cells, LocalLauncher(at_once=2, threads=1)) == ({}, 0)
    assert calls >= 3
    assert (cells[0].folder / REQUEST).read_text() == "of the other runner"
    assert not (cells[0].folder / "begun").exists()
    assert all((cell.folder / "begun").read_text() == "x" for cell in cells[1:])
