import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from litseg.results.report import make_report, write_report
from tests.results.run_folders import NAMES, evaluated, trained

EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
VOID = {"meta", "link", "img", "input"}


class Page(HTMLParser):
    """Elements, their texts and attributes; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def _page(*folders: Path) -> Page:
    return Page(make_report(folders).read_text())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return evaluated(trained(tmp_path / "run"))


def test_the_page_asks_nothing_of_the_network(run: Path) -> None:
    text = make_report([run]).read_text()
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert "url(" not in text
    for _, attributes in Page(text).elements:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))


def test_everything_is_there(run: Path) -> None:
    page = _page(run)
    headings = (
        "Scores",
        "Learning curves",
        "Test",
        "Confusion matrix",
        "Thresholds",
        "Calibration",
        "Provenance",
        "Settings",
    )
    assert set(headings) <= set(page.texts)
    assert [text for text in page.texts if text.endswith(".ckpt")] or any("best.ckpt" in text for text in page.texts)
    assert {"Loss", "mIoU", "Learning rate", "Reliability", "Dice by threshold"} <= set(page.texts)
    assert len([each for each in page.all("img") if each["class"].startswith("layer")]) == 6
    assert "Not in here" not in page.texts


def test_the_numbers_are_those_of_the_files(run: Path) -> None:
    metrics = json.loads((run / "evaluation/test/result.json").read_text())["metrics"]
    texts = _page(run).texts
    assert f"{100 * metrics['miou']:.1f} %" in texts
    for name in NAMES:
        assert f"{100 * metrics[f'iou/{name}']:.1f}" in texts


def test_who_does_not_see_the_page_is_told(run: Path) -> None:
    page = _page(run)
    assert all(each.get("alt") for each in page.all("img"))
    assert all(each.get("aria-label") or each.get("aria-hidden") for each in page.all("svg"))
    assert all("aria-label" in each for each in page.all("input") if "cut" in each.get("class", ""))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {each["href"][1:] for each in page.all("a")} <= set(ids)


def test_names_of_strangers_stay_text(tmp_path: Path) -> None:
    names = (EVIL, "b", "</style></script>{{ 7 * 7 }}")
    folder = evaluated(trained(tmp_path / "run", names, evil={EVIL: EVIL, "x": [EVIL]}), names=names)
    for file, key in (("status.json", "state"), ("result.json", "commit"), ("result.json", "device")):
        content = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(content | {key: EVIL}))
    samples = folder / "evaluation/test/samples.json"
    samples.write_text(json.dumps([each | {"id": EVIL} for each in json.loads(samples.read_text())]))
    folder = folder.rename(tmp_path / "<b onclick=x>")
    for page in (_page(folder), _page(folder, shutil.copytree(folder, tmp_path / "other"))):
        assert len(page.all("script")) == 1
        assert not page.all("b") or all(not each for each in page.all("b"))
        assert all(each["src"].startswith("data:image/") for each in page.all("img"))
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        assert "</style></script>{{ 7 * 7 }}" in page.texts


def test_the_policy_lets_no_other_script_run(run: Path) -> None:
    (policy,) = [each["content"] for each in _page(run).all("meta") if "http-equiv" in each]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_what_is_not_there_is_named_with_its_command(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    page = _page(tmp_path)
    assert f"litseg evaluate run={tmp_path}" in page.texts
    assert f"python train.py resume={tmp_path}" in page.texts
    assert "Learning curves" not in page.texts


def test_before_an_evaluation_there_are_bars_and_the_pictures_of_training(tmp_path: Path) -> None:
    page = _page(trained(tmp_path / "run"))
    assert {"Predictions", "Classes", "Not in here"} <= set(page.texts)
    assert "Confusion matrix" not in page.texts
    assert len(page.all("img")) == 1


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a run folder"):
        make_report([tmp_path])


BROKEN = (
    "",
    "[]",
    "{",
    '{"a": NaN}',
    "null",
    '{"matrix": [[1, 2]], "metrics": [], "curves": 3}',
    "\x00\xff",
    "a,b\n1\n",
)
FILES = (
    "status.json", "result.json", "metrics.csv", "config.yaml",
    "evaluation/test/result.json", "evaluation/test/classes.csv",
    "evaluation/test/images.csv", "evaluation/test/confusion.json", "evaluation/test/curves.json",
    "evaluation/test/samples.json", "evaluation/test/samples/0-image_0/truth.png", "predictions/first.png",
)  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_a_broken_file_costs_its_own_part_only(run: Path, file: str) -> None:
    for content in BROKEN:
        (run / file).write_bytes(content.encode("latin-1"))
        page = _page(run)
        assert "Settings" in page.texts or file == "config.yaml"
        assert file == "metrics.csv" or "Learning curves" in page.texts


@pytest.mark.parametrize("change", [
    {"class_names": 3}, {"class_names": ["one"]}, {"palette": [[1, 2]]}, {"palette": "red"}, {"metrics": {"miou": "x"}},
    {"intervals": {"miou": [1]}}, {"data": 4}, {"metrics": {"miou": 1e400}}, {"class_names": [None] * 6},
    {"class_names": ["\ud800"] * 6},
])  # fmt: skip
def test_values_that_make_no_sense(run: Path, change: dict[str, Any]) -> None:
    path = run / "evaluation/test/result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert "Learning curves" in _page(run).texts


def test_a_small_config_that_stands_for_gigabytes(tmp_path: Path) -> None:
    levels = "\n".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12))
    (tmp_path / "config.yaml").write_text(f"a0: &a0 [1, 2]\n{levels}\n")
    assert len(make_report([tmp_path]).read_text()) < 1_000_000


@pytest.mark.parametrize("where", ["../../../outside", "{root}/outside", ".", "samples/none", "samples/link"])
def test_samples_are_taken_from_the_evaluation_only(run: Path, tmp_path: Path, where: str) -> None:
    shutil.copytree(run / "evaluation/test/samples/0-image_0", tmp_path / "outside")
    (run / "evaluation/test/samples/link").symlink_to(tmp_path / "outside")
    where = where.format(root=tmp_path)
    path = run / "evaluation/test/samples.json"
    path.write_text(json.dumps([{"id": "a", "kind": "best", "folder": where}]))
    page = _page(run)
    assert not [each for each in page.all("img") if "layer" in each.get("class", "")]
    assert any(text.startswith("samples cannot be shown") for text in page.texts)


def test_a_link_is_not_followed(run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(secret)
    picture = run / "evaluation/test/samples/0-image_0/image.png"
    picture.unlink()
    picture.symlink_to(secret)
    assert any("a link" in text for text in _page(run).texts)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", logger={"api_key": "hunter2hunter2"})
    assert "hunter2" not in make_report([folder]).read_text()


def test_write_report_never_raises(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert write_report(tmp_path / "none") is None
    folder = trained(tmp_path / "run")
    (folder / "report.html").mkdir()
    assert write_report(folder) is None
    assert "no report.html" in caplog.text
    assert not list(folder.glob(".report*"))


def _multilabel(root: Path) -> None:
    path = root / "confusion.json"
    path.write_text(json.dumps({"matrix": [[[90, 5], [3, 2]] for _ in NAMES]}))


def _many_classes(root: Path) -> None:
    path = root / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"class_names": [f"class {i}" for i in range(150)]}))
    (root / "confusion.json").write_text(json.dumps({"matrix": np.eye(150, dtype=int).tolist()}))


@pytest.mark.parametrize(("change", "rows"), [(_multilabel, 2 * len(NAMES)), (_many_classes, 30)])
def test_other_matrices(run: Path, change: Callable[[Path], None], rows: int) -> None:
    change(run / "evaluation/test")
    page = _page(run)
    assert len([each for each in page.all("td") if each.get("class", "").startswith("right")]) == rows
