"""The page at / over the real service."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import launch_chromium, open_page
from tests.support.page_actions import choose, compare_best_two, expect_top, show_seven
from tests.support.service import ANN, SAMPLES, SEVEN, Service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with launch_chromium() as running:
        yield running


def test_the_page_works_over_the_service(browser: Browser, service: Service) -> None:
    """A picture, its heatmaps and a contact sheet, through HAProxy, by a name that is not local."""
    with open_page(browser, f"http://vitrine.test:{service.port}/") as visit:
        show_seven(visit.page)
        compare_best_two(visit.page)
        expect(visit.page.locator("#samples button")).to_have_count(10)
        choose(visit.page, *sorted(SAMPLES.glob("*.png")))
        expect(visit.page.locator("#summary")).to_have_text("20 pictures", timeout=30_000)
        visit.assert_clean()


def test_the_page_asks_for_the_key_of_the_service(browser: Browser, closed: Service) -> None:
    """And sends it from then on."""
    with open_page(browser, f"{closed.url}/") as visit:
        choose(visit.page, SEVEN)
        visit.page.get_by_label("API key").fill(ANN)
        visit.page.keyboard.press("Enter")
        expect_top(visit.page, "7")
        visit.assert_clean()
