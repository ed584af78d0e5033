"""Takes the README's pictures of a report: python -m tests.results.report_screenshots <run folder>/report.html."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parents[2] / "docs" / "images"


def take(report: Path, folder: Path = FOLDER) -> None:
    """Writes report_desktop.png and report_phone_dark.png into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 1500})
        page.goto(report.resolve().as_uri())
        page.screenshot(path=folder / "report_desktop.png")
        phone = browser.new_page(viewport={"width": 360, "height": 900}, color_scheme="dark", reduced_motion="reduce")
        phone.goto(report.resolve().as_uri())
        phone.locator(".gallery, #pictures").first.evaluate("element => element.scrollIntoView()")
        phone.screenshot(path=folder / "report_phone_dark.png")
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
