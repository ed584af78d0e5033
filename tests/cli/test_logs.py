import logging
import warnings
from pathlib import Path

import pytest

from litseg.cli.logs import start_logging, stop_logging


def test_words_go_to_terminal_and_file_and_errors_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(tmp_path)
    try:
        logging.getLogger("litseg.test").info("hello")
        logging.getLogger("litseg.test").error("oh no")
    finally:
        stop_logging()
    logging.getLogger("litseg.test").error("afterwards")
    written = (tmp_path / "log.txt").read_text()
    assert "INFO hello" in written
    assert "ERROR oh no" in written
    assert "afterwards" not in written
    captured = capsys.readouterr()
    assert captured.out == "hello\n"
    assert captured.err.startswith("oh no\n")


def test_a_warning_is_kept_in_the_file(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        start_logging(tmp_path)
        try:
            warnings.warn("careful", UserWarning, stacklevel=1)
        finally:
            stop_logging()
    assert "careful" in (tmp_path / "log.txt").read_text()


def test_other_ranks_say_nothing_but_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(None)
    try:
        logging.getLogger("litseg.test").info("hello")
    finally:
        stop_logging()
    assert capsys.readouterr().out == ""


def test_secrets_reach_neither_the_terminal_nor_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As values, by their names, in URLs and in tracebacks."""
    start_logging(tmp_path, ["sesame-1"])
    try:
        logging.getLogger("litseg.test").info("%s token=canary https://me:canary@example.org", "sesame-1")
        try:
            raise RuntimeError("not open: sesame-1")
        except RuntimeError as error:
            logging.getLogger("litseg.test").error("%s", error, exc_info=error)
    finally:
        stop_logging()
    captured = capsys.readouterr()
    for text in ((tmp_path / "log.txt").read_text(), captured.out + captured.err):
        assert "*** token=*** https://***@example.org" in text
        assert "RuntimeError: not open: ***" in text
        assert "sesame" not in text
        assert "canary" not in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_costs_the_lines_of_the_log_file_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.txt").symlink_to("/dev/full")
    start_logging(tmp_path)
    for number in range(3):
        logging.getLogger("litseg").info("line %d", number)
    stop_logging()
    terminal = capfd.readouterr()
    assert terminal.out.splitlines() == ["line 0", "line 1", "line 2"]
    assert terminal.err.count("No space left on device") == 1
    assert "Traceback" not in terminal.err
