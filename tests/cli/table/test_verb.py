"""The command from its words to its exit code, with cells that are there already."""

import json
from pathlib import Path

import pytest

from litseg.cli.errors import UserError
from litseg.cli.table import files, verb
from litseg.cli.table.cells import CELL, Wanted
from litseg.results.tables.statistics import summaries
from tests.cli.table.test_cells import TINY, wanted, write

WORDS = ("table=losses_on_shapes", "only=[ce,dice]", "seeds=[0,1]")


@pytest.fixture
def there(tmp_path: Path) -> list[Wanted]:
    found = wanted(tmp_path)[1]
    for each in found:
        write(each)
    return found


def run(tmp_path: Path, *words: str) -> int:
    return verb.run([*WORDS, f"output={tmp_path}", *words, *TINY])


def test_a_table_whose_cells_are_there(tmp_path: Path, there: list[Wanted], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 0
    assert "4 cells, 4 there, 0 missing" in capsys.readouterr().out
    assert (tmp_path / "losses_on_shapes" / "full-changed" / "table.md").is_file()


def test_a_cell_that_is_refused_is_an_exit_code(
    tmp_path: Path, there: list[Wanted], capsys: pytest.CaptureFixture[str]
) -> None:
    (there[0].folder / CELL).write_text(json.dumps({"key": "of another"}))
    assert run(tmp_path) == 2
    assert "is the cell of another config" in capsys.readouterr().out


def test_check_says_when_nothing_can_be_judged(
    tmp_path: Path, there: list[Wanted], capsys: pytest.CaptureFixture[str]
) -> None:
    claimed = "directions=[{column: miou, higher: mse, lower: ce}]"  # mse is no row here
    assert run(tmp_path, "+rows.ce.published={miou: 50}", claimed, "check=true") == 2
    assert "nothing here can be judged" in capsys.readouterr().err
    text = (tmp_path / "losses_on_shapes" / "full-changed" / "table.md").read_text()
    assert "other settings, no claim" in text
    assert "not as its file has it: only=[ce,dice] seeds=[0,1]" in text


def test_check_says_what_failed(tmp_path: Path, there: list[Wanted], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "directions=[{column: miou, higher: dice, lower: ce, by: 1}]", "check=true") == 2
    assert capsys.readouterr().err.endswith("check=true: 1 fails\n")


def test_check_with_other_settings_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"published and committed values have other settings; leave out: .*data.size"):
        run(tmp_path, "check=true")


def test_rows_of_a_committed_table_are_not_lost(
    tmp_path: Path, there: list[Wanted], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "COMMITTED", tmp_path / "results")
    spec, cells = wanted(tmp_path)
    table = verb.aggregate(spec, cells, {})
    files.write_table(spec, table, summaries(table), [], changed=False, selected=[])
    assert files.keep_table(spec, table) == 0
    committed = tmp_path / "results" / "losses_on_shapes" / "full" / "table.csv"
    committed.write_text(committed.read_text() + committed.read_text().splitlines()[-1].replace("dice", "mse"))
    before = committed.read_text()
    assert files.keep_table(spec, table) == 2
    assert "has rows that this table lacks: mse" in capsys.readouterr().err
    assert committed.read_text() == before
