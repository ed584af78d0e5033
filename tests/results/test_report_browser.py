"""The report in headless Chromium, driven as a reader would: keys, mouse, phone, dark mode, paper."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from litseg.results.report import make_report
from tests.results.run_folders import evaluated, trained

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (make setup installs it)")
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)"),
]
LONG = "a_class_with_a_name_that_is_longer_than_any_screen_of_a_phone_is_wide_in_pixels"
SHADES = tuple(f"{4 * index} percent" for index in range(26))
NAMES = ("road", "pavement", LONG, "tree", "car", "<b>pedestrian</b>")
# luminance of text and of what lies behind it, for every element with text of its own (WCAG 2.1, 1.4.3)
CONTRASTS = """() => {
  const channels = (css) => {
    const context = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d");
    context.fillStyle = css; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const part = (value) => value <= 10 ? value / 3294.6 : ((value / 255 + .055) / 1.055) ** 2.4;
  const light = ([red, green, blue]) => .2126 * part(red) + .7152 * part(green) + .0722 * part(blue);
  const back = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = channels(getComputedStyle(each).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255];
  };
  const seen = (each) => !each.closest(".stage") && each.checkVisibility() && !each.matches("title, .unseen, option");
  return [...document.querySelectorAll("main *, header *")]
    .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && seen(each))
    .map((each) => {
      const style = getComputedStyle(each), text = light(channels(each.closest("svg") ? style.fill : style.color));
      const behind = light(back(each)), [low, high] = text < behind ? [text, behind] : [behind, text];
      return [(high + .05) / (low + .05), each.className.baseVal ?? each.className, each.textContent.slice(0, 30)];
    }).filter(([ratio]) => ratio < 4.5);
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    one, other = (evaluated(trained(root / f"run{seed}", NAMES, seed), names=NAMES, seed=seed) for seed in (0, 1))
    bare = trained(root / "bare")
    shades = evaluated(trained(root / "shades", SHADES), names=SHADES)
    matrix = [[4 * i if j == i else 100 - 4 * i if j == (i + 1) % 26 else 0 for j in range(26)] for i in range(26)]
    (shades / "evaluation/test/confusion.json").write_text(json.dumps({"matrix": matrix}))
    return {
        "shades": make_report([shades]),
        "run": make_report([one]),
        "comparison": make_report([one, other]),
        "bare": make_report([bare]),
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    """`opened("run", width=360)` shows a page; what its console says or the network is asked for fails the test."""
    heard: list[str] = []
    shown: list[Any] = []

    def show(name: str, width: int = 1280, scheme: str = "light", **options: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
        shown.append(page)
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("request", lambda request: heard.append(request.url[:80]) if _leaves(request.url) else None)
        page.goto(pages[name].as_uri())
        return page

    yield show
    for page in shown:
        page.close()
    assert heard == []


def _leaves(url: str) -> bool:
    return not url.startswith("data:") and not re.match(r"file://.*/(report|comparison)\.html$", url)


def _picture(element: Any) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB"), dtype=int)


def test_keys_move_the_line_between_truth_and_prediction(opened: Any) -> None:
    page = opened("run")
    stage, slider = page.locator(".stage").last, page.locator(".stage .cut").last
    slider.focus()
    page.keyboard.press("Home")
    prediction = _picture(stage)
    page.keyboard.press("End")
    truth = _picture(stage)
    assert slider.get_attribute("aria-valuetext") == "truth left, prediction right of 100 percent"
    assert slider.input_value() == "100"
    page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "99"
    middle = np.s_[30:-30, 40:-40]  # without the tags and the line
    assert (abs(truth - prediction)[middle].max(axis=-1) > 30).mean() > 0.01


def test_the_mouse_drags_the_line(opened: Any) -> None:
    page = opened("run")
    stage = page.locator(".stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert stage.locator(".cut").input_value() == "20"
    divider = stage.locator(".divider").bounding_box()
    assert divider["x"] - box["x"] == pytest.approx(0.2 * box["width"], abs=3)
    page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 4)
    assert stage.locator(".cut").input_value() == "90"


def test_colours_and_errors(opened: Any) -> None:
    page = opened("run")
    stage = page.locator(".stage").last
    before = _picture(stage)
    page.locator(".opacity").focus()
    page.keyboard.press("Home")
    photo = _picture(stage)
    page.keyboard.press("End")
    colours = _picture(stage)
    assert abs(before - photo).max() > 40
    assert abs(colours - photo).max() > 80
    page.locator(".errors").check()
    assert ((_picture(stage) - (230, 0, 60)).__abs__().max(axis=-1) < 12).mean() > 0.005


def test_the_matrix_turns(opened: Any) -> None:
    page = opened("run")
    row = page.locator(".matrix tbody tr").last
    of_truth = row.inner_text().split()[1:]
    colour = "element => getComputedStyle(element).backgroundColor"
    before = row.locator("td").last.evaluate(colour)
    page.locator(".matrix input[value=row]").focus()
    page.keyboard.press("ArrowRight")
    of_prediction = row.inner_text().split()[1:]
    assert of_truth != of_prediction
    assert len(of_truth) == len(of_prediction) == len(NAMES)
    assert row.locator("td").last.evaluate(colour) != before
    page.get_by_text("the truth (rows)").click()
    assert row.inner_text().split()[1:] == of_truth


def test_a_class_is_chosen_for_the_curves(opened: Any) -> None:
    page = opened("run")
    page.locator("select.class").select_option("car")
    chosen = page.locator(".class-curves .chosen")
    assert chosen.count() == 3
    assert {chosen.nth(index).get_attribute("data-class") for index in range(3)} == {"car"}


def test_values_are_read_off_by_key_and_mouse(opened: Any) -> None:
    page = opened("run")
    figure = page.locator("#curves figure").first
    plot, readout = figure.locator(".plot"), figure.locator(".readout")
    plot.focus()
    page.keyboard.press("Home")
    assert readout.inner_text() == "1: train 1.200, val 1.300"
    page.keyboard.press("ArrowRight")
    assert readout.inner_text().startswith("2: ")
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 40)
    assert readout.inner_text().startswith("12: ")


def test_everything_is_reached_by_tab(opened: Any) -> None:
    page = opened("run")
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
        if page.evaluate("document.activeElement === document.body"):
            break
    assert {"skip", "A", "plot", "cut", "opacity", "errors", "class", "scroll", "SUMMARY"} <= reached


@pytest.mark.parametrize("name", ["run", "comparison", "bare"])
@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_the_screen(opened: Any, name: str, width: int) -> None:
    page = opened(name, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("name", ["run", "comparison", "bare", "shades"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(opened: Any, name: str, scheme: str) -> None:
    page = opened(name, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate(CONTRASTS) == []
    if name == "run":
        page.get_by_text("the prediction (columns)").click()
        assert page.evaluate(CONTRASTS) == []


def test_dark_mode_is_dark_and_paper_is_white(opened: Any) -> None:
    page = opened("run", scheme="dark")
    back = "() => getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(back) == "rgb(15, 18, 22)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(back) == "rgb(255, 255, 255)"


def test_print_shows_image_truth_and_prediction_side_by_side(opened: Any) -> None:
    page = opened("run")
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print")
    boxes = [page.locator(f".stage .{kind}").first.bounding_box() for kind in ("photo", "prediction", "truth")]
    lefts = [box["x"] for box in boxes]
    assert len(set(lefts)) == 3
    assert not page.locator(".cut").first.is_visible()


def test_without_scripts_the_numbers_are_there(opened: Any) -> None:
    page = opened("run", java_script_enabled=False)
    assert page.locator("#scores .tile").count() >= 5
    page.get_by_text("the prediction (columns)").click()
    assert page.get_by_text("The diagonal is its precision").is_visible()
