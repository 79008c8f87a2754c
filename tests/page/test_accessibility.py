"""Who uses the page, and how: by keyboard, on a phone, in the dark, with a screen reader."""

import re
from typing import Final, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import DESKTOP, open_page
from tests.support.page_actions import (
    TIFF,
    choose,
    compare_best_two,
    expect_maps,
    expect_problem,
    expect_top,
    measure_delays,
    paint,
    read_score,
    read_second,
    read_share,
    show_seven,
)
from tests.support.page_server import PageServer, serve_page
from tests.support.service import ROOT, SAMPLES, SEVEN

PHONE: Final = (320, 640)
MAX_DELAY_MS: Final = 2000
NOTE: Final = re.compile("cannot show it")
PATHS: Final = sorted(SAMPLES.glob("*.png"))
ALL_RULES: Final[dict[str, object]] = {"resultTypes": ["violations"]}


def find_faults(page: Page) -> list[str]:
    """Let axe-core look for faults of every rule that it has."""
    response = Axe().run(page, options=ALL_RULES).response
    return [
        f"{fault['id']}: {node['html']}"
        for fault in response["violations"]
        for node in fault["nodes"]
    ]


def check(page: Page) -> None:
    """Nothing is found, and the page scrolls one way alone."""
    assert find_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def press_until(page: Page, key: str, selector: str) -> None:
    """Press a key until an element has the focus."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press(key)
    pytest.fail(f"{key} does not reach {selector}")


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_axe_finds_no_fault(
    browser: Browser, server: PageServer, scheme: Literal["dark", "light"], size: tuple[int, int]
) -> None:
    """From the first picture to the key, in light and dark, wide and narrow."""
    with open_page(browser, server.url, size=size, scheme=scheme, bypass_csp=True) as visit:
        page = visit.page
        check(page)
        show_seven(page)
        check(page)
        choose(page, TIFF)
        expect(page.locator("#file")).to_contain_text("TIFF")
        expect_maps(page, page.locator("#top").inner_text())
        check(page)
        show_seven(page)
        compare_best_two(page)
        share = read_share(page, "7")
        page.get_by_role("button", name="Hide a part").click()
        paint(page, (0.5, 0.5), (0.7, 0.7))
        expect(page.locator("#bars small").first).to_have_text(f"was {share}")
        page.get_by_role("button", name="More labels").click()
        choose(page, ROOT / "README.md")
        expect_problem(page, "README.md")
        check(page)
        choose(page, *PATHS[:4], ROOT / "README.md")
        expect(page.locator("#summary")).to_have_text("5 pictures, 1 with a problem")
        check(page)
        page.evaluate("document.getElementById('key-dialog').showModal()")
        check(page)


def test_axe_finds_no_fault_without_heatmaps(browser: Browser) -> None:
    """With a drawn picture, and with one that nobody can draw."""
    with (
        serve_page(explains=None) as server,
        open_page(browser, server.url, bypass_csp=True) as visit,
    ):
        choose(visit.page, TIFF)
        expect(visit.page.locator("#unexplained")).to_contain_text("No heatmap")
        check(visit.page)
        visit.page.route("**/explain?*", lambda route: route.abort())
        choose(visit.page, TIFF)
        expect(visit.page.locator(".frame").first).to_have_attribute("data-note", NOTE)
        check(visit.page)


def test_everything_is_done_by_keyboard(page: Page) -> None:
    """Choose, compare, paint, undo, copy: the focus is always where the last key left it."""
    page.on("filechooser", lambda _: None)  # from here on the browser opens no dialog of its own
    press_until(page, "Tab", "#choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(SEVEN)
    expect_top(page, "7")
    expect_maps(page, "7")
    expect(page.locator("#choose")).to_be_focused()
    press_until(page, "Tab", "#opacity")
    page.keyboard.press("End")
    expect(page.locator("#opacity")).to_have_value("1")
    press_until(page, "Tab", "#compare")
    page.keyboard.press("Enter")
    second = read_second(page)
    expect_maps(page, "7", second)
    expect(page.locator("#compare")).to_be_focused()
    press_until(page, "Tab", "#paint")
    page.keyboard.press("Space")
    before, share = read_score(page, "7"), read_share(page, "7")
    press_until(page, "Shift+Tab", ".cursor button")
    for key in ("ArrowUp", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.get_by_role("status")).to_have_text("Row 3, column 6")
    page.keyboard.press("Space")
    expect(page.locator("#bars small").first).to_have_text(f"was {share}")
    assert read_score(page, "7") != before
    press_until(page, "Tab", "#undo")
    page.keyboard.press("Enter")
    assert read_score(page, "7") == before
    third = page.locator("#bars button").nth(2)
    press_until(page, "Tab", "li:nth-child(3) > button")
    page.keyboard.press("Enter")
    expect_maps(page, second, third.inner_text())
    expect(third).to_be_focused()
    press_until(page, "Tab", "[type=radio]")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#snippet")).to_contain_text("import requests")
    press_until(page, "Tab", "#copy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Cop")


def test_the_focus_is_seen(page: Page) -> None:
    """Whatever has it is framed, also where a label stands for its hidden input."""
    show_seven(page)
    page.get_by_role("button", name="Hide a part").click()
    page.evaluate("document.body.focus()")
    for _ in range(45):
        page.keyboard.press("Tab")
        framed = page.evaluate(
            """() => {
                const isFramed = (e) => e && getComputedStyle(e).outlineStyle !== "none";
                const active = document.activeElement;
                const owner = active.closest("label");
                return active === document.body || isFramed(active) || isFramed(owner);
            }"""
        )
        assert framed, page.evaluate("document.activeElement.outerHTML")


def test_targets_are_large_enough(browser: Browser, server: PageServer) -> None:
    """On a phone each is 24 pixels wide and high, or more."""
    with open_page(browser, server.url, size=PHONE) as visit:
        show_seven(visit.page)
        visit.page.get_by_role("button", name="Hide a part").click()
        small = visit.page.evaluate(
            """() => [...document.querySelectorAll("button, a, select, input, #bars li")]
            .filter((e) => e.checkVisibility() && !e.closest("#bars li > *"))
            .map((e) => [e.outerHTML, e.getBoundingClientRect()])
            .filter(([, box]) => box.width < 24 || box.height < 24)"""
        )
        assert small == []


def test_nothing_moves_for_who_wants_less_of_it(browser: Browser, server: PageServer) -> None:
    """Bars jump, and the line that shows that the page is busy stands still."""
    with open_page(browser, server.url) as visit:
        visit.page.emulate_media(reduced_motion="reduce")
        moving = "document.body.classList.add('busy'); getComputedStyle(document.body, '::before')"
        assert visit.page.evaluate(f"{moving}.animationName") == "none"


def test_the_first_bars_follow_the_answer(page: Page) -> None:
    """Within two seconds on any machine; docs/page.md says what was measured."""
    delays = measure_delays(page, PATHS[:2])
    assert len(delays) == 2
    assert all(0 <= delay < MAX_DELAY_MS for delay in delays)
