import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from litseg.cli.errors import UserError
from litseg.cli.table import cells
from litseg.cli.table.cells import (
    CELL,
    REPLICATES,
    REQUEST,
    Wanted,
    changed_by_words,
    changes,
    read_cells,
    wanted_cells,
)
from litseg.cli.table.spec import TableSpec, read_spec
from litseg.cli.table.verb import aggregate
from litseg.cli.table.words import compose_table
from litseg.results.tables.table import Cell

TINY = ("data.size=32", "data.train=4", "data.val=2", "data.test=2", "loader.batch_size=2", "trainer.max_epochs=1")


def wanted(output: Path, own: Sequence[str] = (), last: Sequence[str] = ()) -> tuple[TableSpec, list[Wanted]]:
    words = ["table=losses_on_shapes", "only=[ce,dice]", "seeds=[0,1]", f"output={output}", *own, *TINY, *last]
    spec = read_spec(*compose_table(words))
    return spec, wanted_cells(spec)


def keys(output: Path, own: Sequence[str] = (), last: Sequence[str] = ()) -> list[str]:
    return [each.key for each in wanted(output, own, last)[1]]


def test_a_key_is_config_code_data_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(tmp_path)
    assert len(set(before)) == 4
    assert keys(tmp_path) == before
    for change in (
        ["optimizer.lr=1e-3"],
        ["loader.batch_size=4"],
        ["data.drawing_seed=1"],
        ["trainer.precision=bf16-mixed"],
    ):
        assert not set(keys(tmp_path, last=change)) & set(before), change
    assert not set(keys(tmp_path, ["evaluate=null"])) & set(before)
    monkeypatch.setattr(cells, "code_hash", lambda: "other code")
    assert not set(keys(tmp_path)) & set(before)


def test_a_statistic_depends_on_what_is_made_of_its_files(tmp_path: Path) -> None:
    counted = "+rows.pixels={statistic: class_pixels}"

    def key(*last: str) -> str:
        spec = read_spec(*compose_table(["table=losses_on_shapes", "only=[pixels]", counted, *TINY, *last]))
        return wanted_cells(spec)[0].key

    assert key("data.resize=[16,16]") != key()
    assert key("loader.workers=1", "optimizer.lr=1") == key()


def test_what_changes_no_number_changes_no_key(tmp_path: Path) -> None:
    before = keys(tmp_path)
    other = tmp_path / "elsewhere"
    last = [f"data.root={other}", "loader.workers=1", "logger=default", "trainer.log_every_n_steps=1", "pictures=3"]
    assert keys(tmp_path, ["title=other", "reference=dice", "+columns.miou.digits=3"], last) == before


def test_seed_by_seed(tmp_path: Path) -> None:
    assert [each.name for each in wanted(tmp_path)[1]] == ["ce, seed 0", "dice, seed 0", "ce, seed 1", "dice, seed 1"]


def test_the_request_says_what_to_do(tmp_path: Path) -> None:
    spec, found = wanted(tmp_path)
    found[0].write_request(spec)
    request = json.loads((found[0].folder / REQUEST).read_text())
    assert request["words"][-1] == "seed=0"
    assert request["words"].index("loss=ce") > request["words"].index("experiment=unet_ce")
    assert request["evaluate"] == ["metrics=[boundary,calibration]"]
    assert request["keep_weights"] is False


def write(cell: Wanted, **values: object) -> None:
    cell.folder.mkdir(parents=True, exist_ok=True)
    scores = {
        f"test/{name}": 0.5 for name in ("miou", "mdice", "recall", "precision", "iou/dot", "iou/wire", "bf", "ece")
    }
    content = {"key": cell.key, "scores": scores, "images": "all", "replicates": ["test/miou"], "marks": []}
    (cell.folder / CELL).write_text(json.dumps(content | values))
    np.save(cell.folder / REPLICATES, np.full((1, 1000), 0.5, dtype=np.float32))


def test_cells_that_are_there_are_read(tmp_path: Path) -> None:
    spec, found = wanted(tmp_path)
    write(found[0], marks=["limited: limit_train_batches=3"])
    write(found[1], scores={"test/miou": None})
    read = read_cells(found, ["test/miou"])
    assert set(read) == {("ce", 0), ("dice", 0)}
    first, second = read["ce", 0], read["dice", 0]
    assert isinstance(first, Cell)
    assert isinstance(second, Cell)
    assert first.replicates["test/miou"].shape == (1000,)
    assert first.marks == ("limited: limit_train_batches=3",)
    assert np.isnan(second.scores["test/miou"])
    table = aggregate(spec, found, {("dice", 1): "killed by SIGSEGV"})
    assert [len(row.cells) for row in table.rows] == [1, 1]
    assert table.row("dice").problems == {1: "killed by SIGSEGV"}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"key": "other"}', b'{"key": "other", "scores": 3}', b"\xff\xfe", b"null"]
)
def test_a_cell_of_another_config_or_a_broken_one_is_refused(content: bytes, tmp_path: Path) -> None:
    spec, found = wanted(tmp_path)
    write(found[0])
    (found[0].folder / CELL).write_bytes(content)
    table = aggregate(spec, found, {})
    assert table.row("ce").cells == ()
    assert table.row("ce").problems[0].startswith("refused: ")


def test_broken_replicates_are_refused(tmp_path: Path) -> None:
    _, found = wanted(tmp_path)
    write(found[0])
    (found[0].folder / REPLICATES).write_bytes(b"\x80\x04}.")
    assert "cannot be read" in str(read_cells(found, ["test/miou"])["ce", 0])


def test_a_score_that_no_cell_has_is_a_mistake_in_the_table(tmp_path: Path) -> None:
    spec, found = wanted(tmp_path, ["columns.miou.score=test/mio"])
    write(found[0])
    with pytest.raises(UserError, match=r"columns\.miou: no cell has the score 'test/mio'; near: test/miou"):
        aggregate(spec, found, {})


def test_what_a_scale_changes(tmp_path: Path) -> None:
    scale = "+scales.small={words: ['trainer.max_epochs=2'], rows: {dice: ['optimizer.lr=0.1']}}"
    spec, _ = wanted(tmp_path, [scale, "scale=small"], ["trainer.max_epochs=3"])
    found = changes(spec)
    assert found["ce"]["trainer.max_epochs"] == "8 -> 3"
    assert "optimizer.lr" not in found["ce"]
    assert found["dice"]["optimizer.lr"] == "0.002 -> 0.1"


def test_what_the_command_line_changes(tmp_path: Path) -> None:
    spec, _ = wanted(tmp_path, [], ["trainer.max_epochs=3", "loader.workers=0"])
    assert changed_by_words(spec)["trainer.max_epochs"] == "8 -> 3"
    assert "loader.workers" not in changed_by_words(spec)  # it changes no number


def test_words_of_the_table_itself_are_changes_of_every_row(tmp_path: Path) -> None:
    spec, _ = wanted(tmp_path, ["evaluate=['metrics=[boundary]']"])
    assert changed_by_words(spec) == {"evaluate": "['metrics=[boundary]']"} | changed_by_words(wanted(tmp_path)[0])
    assert all(each["evaluate"] == "['metrics=[boundary]']" for each in changes(spec).values())


def test_a_row_whose_words_do_not_compose_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"row dice: no loss is named 'dicee'"):
        wanted(tmp_path, ["rows.dice.words=['loss=dicee']"])
    with pytest.raises(UserError, match=r"^no config key .*; or, of the table, check=\?"):
        wanted(tmp_path, ["sheck=true"])
    with pytest.raises(UserError, match=r"^no loss is named 'dicee'"):
        wanted(tmp_path, [], ["loss=dicee"])


def test_a_row_is_evaluated_by_its_own_words(tmp_path: Path) -> None:
    spec, found = wanted(tmp_path, ["+rows.dice.evaluate=['window=16','metrics=[]']"])
    requests = {}
    for each in found:
        each.write_request(spec)
        requests[each.row.name] = json.loads((each.folder / REQUEST).read_text())["evaluate"]
    assert requests == {"ce": ["metrics=[boundary,calibration]"], "dice": ["window=16", "metrics=[]"]}
