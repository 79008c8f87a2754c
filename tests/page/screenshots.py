"""Draw the screenshots of the docs, and measure the page: `python -m tests.page.screenshots`."""

from pathlib import Path
from statistics import median
from typing import Final

from playwright.sync_api import Page, expect

from tests.support.browser import launch_chromium, open_page
from tests.support.page_actions import choose, compare_best_two, measure_delays, show_seven
from tests.support.page_server import serve_page
from tests.support.service import ROOT, SAMPLES

FOLDER: Final = ROOT / "docs"
WINDOW: Final = (1120, 800)


def draw_picture(page: Page) -> None:
    """Show one picture and its answer."""
    show_seven(page)


def draw_two_labels(page: Page) -> None:
    """Show the best two labels side by side."""
    compare_best_two(page)


def draw_contact_sheet(page: Page) -> None:
    """Show all samples."""
    choose(page, *sorted(SAMPLES.glob("*.png")))
    expect(page.locator("#summary")).to_have_text("20 pictures")
    expect(page.locator("body.busy")).to_have_count(0)


STATES: Final = {
    "page.png": draw_picture,
    "page-two-labels.png": draw_two_labels,
    "page-contact-sheet.png": draw_contact_sheet,
}


def draw_screenshots(folder: Path = FOLDER) -> None:
    """Draw each state of the page into a folder."""
    with (
        serve_page() as server,
        launch_chromium() as browser,
        open_page(browser, server.url, size=WINDOW) as visit,
    ):
        for name, draw in STATES.items():
            draw(visit.page)
            visit.page.mouse.move(0, 0)
            visit.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            visit.page.screenshot(path=folder / name, animations="disabled")


def print_delays() -> None:
    """Print how long the bars of each sample take from its answer to the screen."""
    with (
        serve_page() as server,
        launch_chromium() as browser,
        open_page(browser, server.url, size=WINDOW) as visit,
    ):
        delays = measure_delays(visit.page, sorted(SAMPLES.glob("*.png")))
    print(  # noqa: T201
        f"From an answer to its bars on the screen: median {median(delays):.0f} ms, "
        f"worst {max(delays):.0f} ms of {len(delays)}"
    )


if __name__ == "__main__":
    draw_screenshots()
    print_delays()
