"""Runs of the contact sheet that are cleared or tried again."""

from playwright.sync_api import Page, expect

from tests.support.page_actions import choose, expect_maps, hold_back, wait_until_held
from tests.support.service import SAMPLES

PATHS = sorted(SAMPLES.glob("*.png"))


def test_a_sheet_is_cleared_while_it_is_asked(page: Page) -> None:
    """Its requests end, the page is busy no more, and counts no pictures of a sheet that went."""
    held = hold_back(page, "**/predict?*")
    choose(page, *PATHS[:3])
    wait_until_held(page, held)
    expect(page.locator("#summary")).to_have_text("2 of 3 pictures")
    with page.expect_event("requestfailed"):
        page.get_by_role("button", name="Clear sheet").click()
    expect(page.locator("body.busy")).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("")
    expect(page.locator("#choose")).to_be_focused()
    choose(page, *PATHS[3:5])
    expect(page.get_by_role("status")).to_have_text("2 pictures")


def test_a_second_press_asks_nothing_twice(page: Page) -> None:
    """What failed is sent once more, however often *Try again* is pressed."""
    page.route("**/predict?*", lambda route: route.abort(), times=3)
    choose(page, *PATHS[:3])
    expect(page.locator("#summary")).to_have_text("3 pictures, 3 with a problem")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#again").evaluate("button => (button.click(), button.click())")
    expect(page.locator("#summary")).to_have_text("3 pictures")
    expect(page.locator("body.busy")).to_have_count(0)
    assert len([url for url in asked if "/predict" in url]) == 3


def test_the_page_is_busy_until_all_is_done(page: Page) -> None:
    """A picture that is done does not end the sheet's work."""
    held = hold_back(page, "**/predict?*")
    choose(page, *PATHS[:3])
    slow = wait_until_held(page, held)
    expect(page.locator("#summary")).to_have_text("2 of 3 pictures")
    page.locator("#cards button:enabled").last.click()
    expect_maps(page, "1")
    expect(page.locator("body.busy")).to_have_count(1)
    slow.fallback()
    expect(page.locator("body.busy")).to_have_count(0)
