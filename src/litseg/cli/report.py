"""`litseg report run=FOLDER | runs=[A,B]`: one HTML file to look at."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from litseg.cli.errors import UserError

HELP = """\
usage: litseg report run=FOLDER | runs=[FOLDER,FOLDER,...] [output=FILE]

  run=FOLDER    writes FOLDER/report.html: settings, curves, and what litseg evaluate has found
  runs=[A,B]    compares runs: writes A/comparison.html
  output=FILE   another place

The file holds everything, asks no network, and opens in any browser.
"""
KEYS = ("run", "runs", "output")


def run(words: Sequence[str]) -> int:
    """Runs `litseg report <words>`.

    Returns:
        The exit code.

    Raises:
        UserError: expected, got, what to do.
    """
    if not words or "--help" in words or "-h" in words:
        print(HELP)
        return 0
    given = dict(_pair(word) for word in words)
    if ("run" in given) == ("runs" in given):
        raise UserError("litseg report: expected run=FOLDER, or runs=[FOLDER,FOLDER] to compare")
    folders = [Path(given["run"])] if "run" in given else _folders(given["runs"])
    from litseg.results.report import make_report  # loads jinja2 and pillow

    try:
        path = make_report(folders, Path(given["output"]) if given.get("output") else None)
    except ValueError as error:
        raise UserError(str(error)) from error
    print(path)
    return 0


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if key not in KEYS or not equals or not (value or key == "output"):
        close = get_close_matches(key, KEYS, cutoff=0.5)
        hint = f"did you mean {close[0]}=...?" if close else f"expected {', '.join(f'{name}=...' for name in KEYS)}"
        raise UserError(f"litseg report: cannot read {word!r}; {hint}")
    return key, value


def _folders(value: str) -> list[Path]:
    folders = [Path(entry.strip()) for entry in value.removeprefix("[").removesuffix("]").split(",") if entry.strip()]
    if len(folders) < 2:
        raise UserError(f"runs: expected two folders or more, as runs=[A,B], got {value!r}")
    return folders
