"""What is slow or fails on the page never takes the place of what came after it."""

from playwright.sync_api import Page, expect

from tests.support.page_actions import (
    FOUR,
    choose,
    expect_maps,
    expect_problem,
    expect_top,
    find_bar,
    go_on_decoding,
    hold_back,
    hold_decoding,
    read_second,
    wait_until_held,
)
from tests.support.service import ROOT, SAMPLES, SEVEN

PATHS = sorted(SAMPLES.glob("*.png"))


def test_a_slow_picture_leaves_the_sheet_alone(page: Page) -> None:
    """Its answer comes when four others have been dropped, and is not shown any more."""
    held = hold_back(page, "**/predict?*")
    choose(page, FOUR)
    slow = wait_until_held(page, held)
    choose(page, *PATHS[:4])
    expect(page.locator("#summary")).to_have_text("4 pictures")
    slow.fallback()
    page.wait_for_timeout(1000)
    expect(page.locator("#sheet")).to_be_visible()
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("body.busy")).to_have_count(0)


def test_a_slow_picture_leaves_the_next_one_alone(page: Page) -> None:
    """The picture that was chosen last stays."""
    held = hold_back(page, "**/predict?*")
    choose(page, FOUR)
    slow = wait_until_held(page, held)
    choose(page, SEVEN)
    expect_maps(page, "7")
    slow.fallback()
    page.wait_for_timeout(1000)
    expect_top(page, "7")


def test_a_problem_leaves_the_picture_before_alone(page: Page) -> None:
    """A picture that is still decoded is shown and explained, though the next one fails."""
    hold_decoding(page)
    choose(page, SEVEN)
    expect_top(page, "7")
    choose(page, ROOT / "README.md")
    expect_problem(page, "README.md")
    go_on_decoding(page)
    expect_maps(page, "7")


def test_a_bar_may_be_pressed_before_the_picture_is_there(page: Page) -> None:
    """Its label is explained, not the best one, and the bar keeps the focus."""
    hold_decoding(page)
    choose(page, SEVEN)
    expect_top(page, "7")
    second = read_second(page)
    find_bar(page, second).press("Enter")
    go_on_decoding(page)
    expect_maps(page, second)
    expect(page.locator("#bars [aria-pressed=true]")).to_have_text(second)
    expect(find_bar(page, second)).to_be_focused()


def test_the_sheet_is_offered_after_another_try(page: Page) -> None:
    """A card whose picture fails at first leads back to the sheet like any other."""
    choose(page, *PATHS[:3])
    expect(page.locator("#summary")).to_have_text("3 pictures")
    page.route("**/predict?*", lambda route: route.abort(), times=1)
    page.locator("#cards button").first.click()
    expect_problem(page, "The service cannot be reached")
    page.get_by_role("button", name="Try again").click()
    expect_top(page, "0")
    page.get_by_role("button", name="Contact sheet").click()
    expect(page.locator("#cards li:visible")).to_have_count(3)


def test_a_picture_that_is_left_for_the_sheet_stays_away(page: Page) -> None:
    """Whoever goes back to the sheet is not taken from it by an answer."""
    choose(page, *PATHS[:3])
    page.locator("#cards button").first.click()
    expect_maps(page, "0")
    held = hold_back(page, "**/predict?*")
    choose(page, FOUR)
    slow = wait_until_held(page, held)
    page.get_by_role("button", name="Contact sheet").click()
    slow.fallback()
    page.wait_for_timeout(1000)
    expect(page.locator("#viewer")).to_be_hidden()
