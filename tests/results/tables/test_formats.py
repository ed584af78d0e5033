import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from litseg.results.tables.formats import comma_separated, escaped, html, latex, markdown, read_committed
from litseg.results.tables.layout import layout
from litseg.results.tables.picture import write_picture
from litseg.results.tables.statistics import summaries
from litseg.results.tables.terminal import print_table
from litseg.results.tables.verdicts import verdicts
from tests.results.tables.example import table


def test_markdown() -> None:
    found = table()
    text = markdown(found, summaries(found), verdicts(found, summaries(found)), ["commit 0123"])
    lines = text.splitlines()
    assert lines[0] == "# Losses"
    assert "|  | mIoU, % | ECE, % | seeds |" in lines
    assert any(
        line.startswith("| cross-entropy | 51.0 ± 1.4 [") and line.endswith("| 10.0 ± 0.0 | 2 |") for line in lines
    )
    assert any(line.startswith("| Dice & co | <u>**61.0 ± 1.4**</u> [") and "(61.5)" in line for line in lines)
    assert any(line.startswith("| Lovász (1) (2) |") and line.endswith("| 1 of 2 |") for line in lines)
    assert "(1) uncommitted changes  " in lines
    assert "(2) seed 1: killed by SIGSEGV  " in lines
    assert "underlined: better than cross-entropy beyond chance" in text
    assert "- commit 0123" in lines


def test_one_seed_says_what_its_chance_leaves_out() -> None:
    found = table()
    assert "of one seed" not in markdown(found, summaries(found), [])
    one = replace(found, rows=[replace(row, seeds=(0,), cells=row.cells[:1], problems={}) for row in found.rows])
    assert "in the choice of images, not in the training" in markdown(one, summaries(one), [])


def test_a_scaled_table_says_what_it_changes_once() -> None:
    found = table("cpu")
    text = markdown(found, summaries(found), [])
    assert "Scale `cpu`, with other settings than the source" in text
    assert text.count("trainer.max_epochs: 100 -> 4") == 1


def test_latex_is_escaped_and_balanced() -> None:
    text = latex(found := table(), summaries(found))
    assert r"Dice \& co & \underline{\textbf{61.0 $\pm$ 1.4}} (61.5) & 10.0 $\pm$ 0.0 & 2 \\" in text
    assert r"Lovász (1) (2) & \underline{\textbf{61.0}} & 10.0 & 1 of 2 \\" in text
    assert r"\par\footnotesize (2) seed 1: killed by SIGSEGV" in text
    assert r"Published: a paper.}" in text
    assert "[low, high]" not in text
    assert r"mIoU, \%" in text
    assert text.count("{") == text.count("}")
    assert r"\begin{tabular}{lrrr}" in text
    assert escaped("β ≥ 1") == r"$\beta$ $\geq$ 1"
    assert escaped("a_b~{1}\\") == r"a\_b\textasciitilde{}\{1\}\textbackslash{}"


def test_latex_says_once_how_many_seeds_all_rows_have() -> None:
    whole = replace(table(), rows=table().rows[:2])
    text = latex(whole, summaries(whole))
    assert "Seeds: 2." in text
    assert r"\begin{tabular}{lrr}" in text


def test_csv_comes_back() -> None:
    found = table()
    read = read_committed(comma_separated(found, values := summaries(found)))
    assert read["ce"]["miou"] == (values["ce", "miou"].mean, values["ce", "miou"].std)
    assert math.isnan(read["lovasz"]["miou"][1])
    assert "uncommitted changes; seed 1: killed by SIGSEGV" in comma_separated(found, values)


def test_html_is_one_file_and_escapes() -> None:
    found = replace(table(), title="<script>alert(1)</script>")
    text = html(found, summaries(found), verdicts(found, summaries(found)), ["<b>"], "AAAA")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "http" not in text

    class Tags(HTMLParser):
        open: list[str]

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            if tag not in ("meta", "img", "link"):
                self.open.append(tag)
            assert tag != "img" or dict(attributes)["alt"]

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    tags = Tags()
    tags.open = []
    tags.feed(text)
    assert tags.open == []


def test_many_columns_and_few_rows_are_turned() -> None:
    wide = replace(table(), columns=[replace(table().columns[0], name=f"c{n}", title=f"column {n}") for n in range(12)])
    laid = layout(wide, summaries(wide))
    assert laid.heads == ("cross-entropy", "Dice & co", "Lovász (1) (2)")
    assert [line.title for line in laid.lines] == [f"column {n}, %" for n in range(12)]


def test_picture(tmp_path: Path) -> None:
    write_picture(found := table(), summaries(found), tmp_path / "table.png")
    with Image.open(tmp_path / "table.png") as picture:
        assert picture.width > 600
        assert len(picture.convert("RGB").getcolors(10**6) or ()) > 20


def test_picture_of_a_turned_table_has_a_panel_for_each_row(tmp_path: Path) -> None:
    columns = [replace(table().columns[0], name=f"c{place}", title=f"column {place}") for place in range(12)]
    write_picture(wide := replace(table(), columns=columns), summaries(wide), tmp_path / "table.png")
    with Image.open(tmp_path / "table.png") as picture:
        assert picture.size == (1410, 807)  # 2.2 + 3 * 2.4 and 1.3 + 12 * 0.34 inches, 150 pixels each


def test_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    made = table()
    found = replace(made, title="Losses [a/b]", rows=[replace(made.rows[0], title="CE [/ours]"), *made.rows[1:]],
                    columns=[replace(made.columns[0], title="mIoU [val]"), made.columns[1]])  # fmt: skip
    print_table(found, summaries(found), verdicts(found, summaries(found)), ["commit 0123"])
    printed = capsys.readouterr().out
    assert "51.0 ± 1.4" in printed
    assert "verdicts: 1 missing, 1 within, 1 holds, 1 fails" in printed
    assert "(2) seed 1: killed by SIGSEGV" in printed
    assert "Losses [a/b] (full)" in printed  # rich would take brackets for its own
    assert "CE [/ours]" in printed
    assert "mIoU [val], %" in printed
