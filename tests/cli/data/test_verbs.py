"""`litseg data check | stats | show`, inside the test process."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from litseg.cli.data.show import _drawn
from litseg.cli.main import main
from litseg.data.augmenting.batch_mixing import MixUp
from litseg.data.samples import Item
from tests.conftest import WriteTree

FOLDER = ("data=folder", "data.class_names=[background,object]")


@pytest.mark.parametrize("words", [[], ["--help"], ["data"], ["data", "--help"], ["data", "check", "--help"]])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "usage: litseg" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dta"], "did you mean data?"),
        (["fly"], "expected one of: data"),
        (["data", "chek"], "did you mean check?"),
        (["data", "check", "data=camvit"], "did you mean camvid?"),
        (["data", "check", "data=camvid", "data.rot=x"], "did you mean data.root"),
        (["data", "check", "data=folder", "data.class_names=[a,b]"], "not set: data.root"),
        (["data", "check", "--strict"], "no flag '--strict'"),
        (["data", "check", "strict=perhaps"], "expected true or false"),
        (["data", "show", "split=tests"], "expected one of train, val, test"),
        (["data", "show", "count=0"], "expected 1 to 64"),
        (["data", "check", "data._target_=pathlib.Path"], "expected a litseg.data.Source"),
    ],
)
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error


def test_help_and_mistyped_verbs_load_nothing_heavy() -> None:
    code = (
        "import sys; from litseg.cli.main import main; main(['--help']); main(['dta']); "
        "sys.exit(bool({'torch', 'numpy', 'hydra'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True).returncode == 0


def test_a_sound_set_passes(write_folder: WriteTree, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", *FOLDER, f"data.root={write_folder()}", "strict=true"]) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out


def test_warnings_fail_only_in_strict(write_folder: WriteTree, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder()
    Image.new("RGB", (40, 32)).save(root / "images" / "003.png")
    words = ["data", "check", *FOLDER, f"data.root={root}"]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "has the same value" in output
    assert output.endswith("0 errors, 1 warning\n")
    assert main([*words, "strict=true"]) == 2


def test_all_errors_are_told_not_only_the_first(write_folder: WriteTree, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder()
    (root / "images" / "002.png").write_bytes(b"x")
    Image.new("L", (40, 32), color=9).save(root / "masks" / "004.png")
    Image.new("L", (40, 31)).save(root / "masks" / "006.png")
    assert main(["data", "check", *FOLDER, f"data.root={root}"]) == 2
    output = capsys.readouterr()
    for words in ("002.png", "1,280 pixels of 9", "sizes differ"):
        assert words in output.err
    assert "3 errors" in output.out


def test_missing_files_are_named_below_the_table(write_folder: WriteTree, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder()
    (root / "masks" / "002.png").unlink()
    assert main(["data", "check", *FOLDER, f"data.root={root}"]) == 2
    output = capsys.readouterr()
    assert re.search(r"missing files .*│ - +│ see below", output.out)
    assert "1 image of" in output.err


def test_stats_writes_json_and_picture(
    write_camvid: WriteTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "stats", "data=camvid", f"data.root={write_camvid()}", f"output={tmp_path / 'stats'}"]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "median_frequency" in output
    (numbers,) = (tmp_path / "stats").glob("CamVid-*.json")
    found = json.loads(numbers.read_text())
    assert found["splits"]["train"]["samples"] == 8
    assert f"{found['class_weights']['enet'][0]:.6g}" in output
    with Image.open(numbers.with_suffix(".png")) as file:
        picture = np.asarray(file)
    assert picture.shape[1] == 1500
    assert len(np.unique(picture)) > 50


def test_stats_needs_no_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for number in range(4):
            grey = np.full((8, 8), number * 10, dtype=np.uint8) if kind == "images" else np.eye(8, dtype=np.uint8)
            Image.fromarray(grey).save(tmp_path / kind / f"{number}.png")
    words = ["data", "stats", *FOLDER, f"data.root={tmp_path}", "+data.channels=[1]", "data.test_share=0.25"]
    assert main([*words, f"output={tmp_path}"]) == 0
    assert "mean: [" in capsys.readouterr().out


@pytest.mark.parametrize(("split", "columns"), [("train", 4), ("test", 2)])
def test_show_draws_what_training_sees(write_camvid: WriteTree, tmp_path: Path, split: str, columns: int) -> None:
    words = ["data", "show", "data=camvid", f"data.root={write_camvid()}", "augmentation=hflip", f"split={split}"]
    assert main([*words, "count=2", f"output={tmp_path / 'sheet.png'}"]) == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 328 * columns + 8


def test_show_says_of_a_blend_how_much_of_it_the_labels_are() -> None:
    mask = torch.zeros(4, 4, dtype=torch.uint8)
    items = [Item(image=torch.full((3, 4, 4), value, dtype=torch.uint8), mask=mask, id="a") for value in (0, 200)]
    assert [_drawn(item).share for item in items] == [None, None]
    for item in MixUp(p=1.0)(items, np.random.default_rng(0)):
        drawn = _drawn(item)
        assert drawn.share is not None
        assert 0.5 <= drawn.share <= 1
        own = 0 if int(drawn.image[0, 0, 0]) <= 100 else 200
        assert abs(int(drawn.image[0, 0, 0]) - (drawn.share * own + (1 - drawn.share) * (200 - own))) <= 1
