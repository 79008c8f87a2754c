"""The focus is never lost when what had it goes away."""

from playwright.sync_api import Page, expect

from tests.support.page_actions import (
    FOUR,
    choose,
    expect_maps,
    expect_top,
    find_bar,
    go_on_decoding,
    hand_over,
    hold_decoding,
    show_seven,
)
from tests.support.service import SAMPLES, SEVEN

PATHS = sorted(SAMPLES.glob("*.png"))


def test_a_card_hands_the_focus_on_and_back(page: Page) -> None:
    """To the label in large type, and from *Contact sheet* to the sheet's name."""
    choose(page, *PATHS[:3])
    expect(page.locator("#summary")).to_have_text("3 pictures")
    page.locator("#cards button").nth(2).press("Enter")
    expect_maps(page, "1")
    expect(page.locator("#top")).to_be_focused()
    page.get_by_role("button", name="Contact sheet").press("Enter")
    expect(page.locator("#sheet-name")).to_be_focused()


def test_another_try_of_the_sheet_hands_the_focus_on(page: Page) -> None:
    """Its button goes away when nothing has failed."""
    page.route("**/predict?*", lambda route: route.abort(), times=3)
    choose(page, *PATHS[:3])
    expect(page.locator("#summary")).to_have_text("3 pictures, 3 with a problem")
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator("#summary")).to_have_text("3 pictures")
    expect(page.locator("#sheet-name")).to_be_focused()


def test_a_bar_keeps_the_focus_while_the_picture_is_decoded(page: Page) -> None:
    """Its row is not made again."""
    hold_decoding(page)
    choose(page, SEVEN)
    expect_top(page, "7")
    bar = page.locator("#bars button").nth(1)
    bar.focus()
    go_on_decoding(page)
    expect_maps(page, "7")
    expect(bar).to_be_focused()


def test_a_bar_of_the_next_picture_has_the_focus_of_the_last(page: Page) -> None:
    """Where the label is among those that are shown; else the best label gets it."""
    show_seven(page)
    page.get_by_role("button", name="More labels").click()
    find_bar(page, "4").focus()
    hand_over(page, "paste", FOUR)
    expect_top(page, "4")
    expect_maps(page, "4")
    expect(find_bar(page, "4")).to_be_focused()
    page.get_by_role("button", name="More labels").click()
    page.locator("#bars button").last.focus()
    hand_over(page, "paste", SEVEN)
    expect_top(page, "7")
    expect_maps(page, "7")
    focused = page.evaluate("document.activeElement.closest('#top, #bars button') !== null")
    assert focused


def test_a_tool_hands_the_focus_to_the_next_picture(page: Page) -> None:
    """*Hide a part* goes away until the next picture is decoded."""
    show_seven(page)
    page.get_by_role("button", name="Hide a part").focus()
    hand_over(page, "paste", FOUR)
    expect_top(page, "4")
    expect(page.locator("#top")).to_be_focused()
    expect_maps(page, "4")
