import shutil
from pathlib import Path

import pytest

from litseg.cli.errors import CONF, UserError
from litseg.cli.table.spec import TableSpec, read_spec
from litseg.cli.table.words import compose_table, other_than_configured
from litseg.results.tables.table import Tolerance

SHIPPED = sorted(path.stem for path in (CONF / "table").glob("*.yaml"))


def read(*words: str) -> TableSpec:
    return read_spec(*compose_table(words))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds a folder for each data set."""
    for name in ("camvid", "chasedb1", "drive", "dsb2018"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("LITSEG_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_tables_are_whole(name: str, data: Path) -> None:
    spec = read(f"table={name}")
    assert spec.rows
    assert (CONF / "table" / f"{name}.yaml").read_text().startswith("# @package _global_\n# ")
    columns = {column.name for column in spec.columns}
    for row in spec.rows:
        assert set(row.published) <= columns
        assert set(row.tolerance) <= set(row.published)


def test_words_follow_each_other(data: Path) -> None:
    spec = read("table=losses_on_shapes", "only=[dice]", "seeds=[3]", "loader.workers=1")
    assert [row.name for row in spec.rows] == ["dice"]
    assert spec.seeds == (3,)
    assert spec.rows[0].words == ("loss=dice",)
    assert spec.scaled["dice"] == ("loader.workers=1",)


def test_seeds_of_the_command_line_before_those_of_the_scale_before_the_tables(data: Path) -> None:
    assert read("table=losses_on_camvid").seeds == (0, 1, 2)
    assert read("table=losses_on_camvid", "scale=cpu").seeds == (0,)
    assert read("table=losses_on_camvid", "scale=cpu", "seeds=[1,2]").seeds == (1, 2)
    assert read("table=segnet_camvid").seeds == (0,)


def test_one_seed_and_one_row_need_no_brackets(data: Path) -> None:
    spec = read("table=losses_on_shapes", "only=dice", "seeds=2")
    assert [row.name for row in spec.rows] == ["dice"]
    assert spec.seeds == (2,)


def test_a_misspelt_key_of_the_file(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    path = conf / "table" / "losses_on_shapes.yaml"
    path.write_text(path.read_text().replace("reference: ce", "referance: ce"))
    monkeypatch.setattr("litseg.cli.table.words.CONF", conf)
    with pytest.raises(UserError, match="no key 'referance'; did you mean reference"):
        read("table=losses_on_shapes")


def test_tables_that_are_not_as_their_file_has_them() -> None:
    assert other_than_configured(["table=x", "scale=cpu", "keep=true", "launcher.at_once=2", "data.size=32"]) == []
    assert other_than_configured(["table=x", "only=[ce]", "seeds=[1]", "+rows.ce.digits=2"]) == [
        "only=[ce]", "seeds=[1]", "+rows.ce.digits=2"
    ]  # fmt: skip


def test_words_that_change_the_table_itself_are_kept(data: Path) -> None:
    spec = read("table=losses_on_shapes", "only=[ce]", "seeds=[1]", "rows.ce.words=['loss=dice']", "title=other")
    assert spec.reworded == {"rows.ce.words": "['loss=dice']"}


def test_what_a_scale_changes_of_the_evaluation(data: Path) -> None:
    assert read("table=unet_vessels", "scale=cpu").evaluated["drive_ce"] == "window=64 stride=42 -> window=32 stride=21"
    assert read("table=unet_vessels").evaluated == {}
    assert read("table=segnet_camvid", "scale=cpu").evaluated == {}


@pytest.mark.parametrize(("word", "message"), [
    ("+columns.miou.better=max", "better: expected higher, lower or null, got 'max'"),
    ("+rows.ce.published=81.3", r"published: expected values by column, such as {miou: 81.3}, got 81.3"),
    ("+rows.ce.published={miou: '81,3'}", "published.miou: expected a number, such as 81.3, got '81,3'"),
    ("+rows.ce={published: {miou: 81.3}, tolerance: {miou: [5, 20]}}", "a range around the published 81.3"),
    ("+rows.ce.tolerance={miou: {relative: much}}", "tolerance.miou: expected a number, such as 81.3, got 'much'"),
])  # fmt: skip
def test_values_that_are_none(word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read("table=losses_on_shapes", word)


def test_tolerances(data: Path) -> None:
    rows = {row.name: row for row in read("table=camvid_class_weights").rows}
    assert rows["weights"].tolerance["sky"] == Tolerance(relative=1e-4)
    assert rows["pixels"].tolerance["void"] == Tolerance(absolute=0.0)


def test_a_row_whose_data_are_not_here_is_left_out_and_said(data: Path) -> None:
    (data / "drive").rmdir()
    spec = read("table=unet_vessels")
    assert {row.root for row in spec.rows} == {"chase_db1"}
    assert spec.left_out == {"drive": ("drive_ce", "drive_ce_3dice")}
    assert read("table=unet_vessels", "only=[chase_db1_ce]").left_out == {}  # its data are not asked for
    with pytest.raises(UserError, match=r"roots\.drive: expected the folder"):
        read("table=unet_vessels", "only=[drive_ce]")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["table=losses_on_shape"], "losses_on_shapes"),
        (["scale=cpu"], "expected table="),
        (["table=losses_on_shapes", "scale=cpo"], "scale: expected one of full"),
        (["table=losses_on_shapes", "only=[dise]"], "did you mean dice"),
        (["table=losses_on_shapes", "reference=nothing"], "reference: expected one of the rows ce"),
        (["table=losses_on_shapes", "+rows.ce.publised={miou: 1}"], "did you mean published"),
        (["table=losses_on_shapes", "+rows.ce.published={mio: 1}"], "no column 'mio'; did you mean miou"),
        (["table=losses_on_shapes", "+rows.ce.statistic=mean"], "statistic: expected one of class_weights"),
        (["table=losses_on_shapes", "directions=[{column: miou, higher: ce, lower: no}]"], "lower: expected one of ce"),
        (["table=losses_on_shapes", "--check"], "expected key=value words, got '--check'"),
        (["table=camvid_class_weights", "roots.camvid=/nowhere"], "roots.camvid: expected the folder"),
        (["table=losses_on_shapes", "launcher=slurm"], "launcher"),
        (["table=losses_on_shapes", "only=dise"], "got 'dise'; did you mean dice"),
        (["table=losses_on_shapes", "only=[]"], "only: expected a list with something in it"),
        (["table=losses_on_shapes", "seeds=[]"], "seeds: expected a list with something in it"),
        (["table=losses_on_shapes", "seeds=[0,x]"], "seeds: expected different whole numbers"),
        (["table=losses_on_shapes", "seeds=[0,0]"], "seeds: expected different whole numbers"),
        (["table=losses_on_shapes", "seeds=[1.5]"], "seeds: expected different whole numbers"),
        (["table=losses_on_shapes", "plan=maybe"], "plan: expected true or false, got 'maybe'"),
        (["table=losses_on_shapes", "launcher.at_onc=1"], "did you mean launcher.at_once"),
        (["table=losses_on_shapes", "seed=3"], "litseg table gives each cell its own seed=; leave it out"),
    ],
)
def test_mistakes_have_one_message(words: list[str], expected: str, data: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(*words)
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 900
