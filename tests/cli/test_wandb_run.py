import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from litseg.cli import wandb_run
from litseg.cli.wandb_run import _has_key, _private_process, _probe, _run_id, wandb_logger
from tests.cli.servers import server

HOST = SimpleNamespace(api_key=None, base_url="https://wb.example.net")


@pytest.mark.parametrize(
    ("variable", "netrc", "expected"),
    [
        ("x", "", True),
        ("", "machine api.wandb.ai login user password secret\n", True),
        ("", "machine wb.example.net login user password secret\n", True),
        ("", "machine example.org login user password secret\n", False),
        ("", "not a netrc", False),
        ("", None, False),
    ],
)
def test_a_key_is_looked_for_in_the_environment_and_in_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, netrc: str | None, expected: bool
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    if netrc is not None:
        (tmp_path / ".netrc").write_text(netrc)
        (tmp_path / ".netrc").chmod(0o600)
    assert _has_key(HOST) is expected


def test_the_id_stays_with_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert _run_id(tmp_path / "a") == _run_id(tmp_path / "a") != _run_id(tmp_path / "b")


@pytest.mark.parametrize("behaviour", ["200", "401", "500"])
def test_any_answer_shows_that_the_server_is_there(behaviour: str) -> None:
    with server(behaviour) as url:
        _probe(url)


def test_no_answer_is_an_error_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb_run, "PROBE_SECONDS", 0.3)
    with server("silent") as url, pytest.raises(OSError, match=r"no answer|timed out"):
        _probe(url)
    with pytest.raises(OSError, match="refused"):
        _probe(url)


def test_wandb_sees_no_secret_word_and_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["train.py", "+api_key=sesame"]
    monkeypatch.setattr(sys, "argv", words)
    terminal = sys.stdin
    with _private_process():
        assert sys.argv == ["train.py", "+api_key=***"]
        assert sys.stdin.name == os.devnull
        assert not sys.stdin.isatty()
    assert sys.argv is words
    assert sys.stdin is terminal


def test_a_folder_that_cannot_be_written_leaves_wandb_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("wandb")
    assert wandb_logger(str(tmp_path / "nowhere" / "run"), "litseg") is None
    assert "W&B cannot start" in caplog.text
