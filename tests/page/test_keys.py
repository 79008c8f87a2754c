"""A service that wants a key: the page asks for it once, and every request carries it."""

from playwright.sync_api import Browser, expect

from app.auth.keys import parse_keys
from app.prediction.predictor import Predictor
from tests.support.browser import open_page
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS
from tests.support.page_actions import (
    choose,
    expect_maps,
    expect_top,
    find_bar,
    make_payload,
    read_second,
)
from tests.support.page_server import serve_page
from tests.support.samples import encode_grey
from tests.support.service import ANN, SEVEN

BLACK = make_payload("black.png", encode_grey(0))
WHITE = make_payload("white.png", encode_grey(255))
KEYS = parse_keys(f"ann:{ANN}")
MANY = 20


def make_predictor() -> Predictor:
    """Make a predictor that tells black from white, at once."""
    return Predictor(FakeBackend(), LIMITS)


def test_a_key_is_asked_for_when_it_is_needed(browser: Browser) -> None:
    """It is sent as a header, stays in memory alone, and is in no code that is shown."""
    with serve_page(make_predictor(), KEYS) as server, open_page(browser, server.url) as visit:
        page = visit.page
        expect(page.get_by_role("dialog")).to_have_count(0)
        choose(page, BLACK)
        page.get_by_label("API key").fill("a wrong key")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()  # a key has no spaces
        page.get_by_label("API key").fill(f"{ANN}x")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("not one of")
        page.get_by_label("API key").fill(ANN)
        page.keyboard.press("Enter")
        expect_top(page, "black")
        expect(page.locator("#snippet")).to_contain_text("X-API-Key: YOUR-KEY")
        stored = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        assert ANN not in page.evaluate(stored) + page.content()
        visit.assert_clean()


def test_a_heatmap_is_asked_for_with_the_key(browser: Browser) -> None:
    """The key is entered once, for the scores; each explanation carries it."""
    with serve_page(keys=KEYS) as server, open_page(browser, server.url) as visit:
        page = visit.page
        choose(page, SEVEN)
        page.get_by_label("API key").fill(ANN)
        with page.expect_request("**/explain?label_id=7") as first:
            page.keyboard.press("Enter")
        assert first.value.headers["x-api-key"] == ANN
        expect_maps(page, "7")
        other = read_second(page)
        with page.expect_request(f"**/explain?label_id={other}") as second:
            find_bar(page, other).click()
        assert second.value.headers["x-api-key"] == ANN
        expect_maps(page, other)
        expect(page.get_by_role("dialog")).to_have_count(0)
        visit.assert_clean()


def test_without_a_key_the_problem_is_shown(browser: Browser) -> None:
    """Several pictures ask once; whoever cancels is told, and may try again."""
    with serve_page(make_predictor(), KEYS) as server, open_page(browser, server.url) as visit:
        page = visit.page
        choose(page, BLACK, WHITE, make_payload("x.txt", b"no picture"))
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#summary")).to_have_text("3 pictures, 3 with a problem")
        page.get_by_role("button", name="Try again").click()
        page.get_by_label("API key").fill(ANN)
        page.get_by_role("button", name="Use key").click()
        expect(page.locator("#summary")).to_have_text("3 pictures, 1 with a problem")


def test_who_cancels_is_not_asked_again(browser: Browser) -> None:
    """Twenty pictures ask for a key once; those that wait have the same problem."""
    with serve_page(make_predictor(), KEYS) as server, open_page(browser, server.url) as visit:
        page = visit.page
        names = [f"{index}.png" for index in range(MANY)]
        choose(page, *(make_payload(name, encode_grey(0)) for name in names))
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#summary")).to_have_text(f"{MANY} pictures, {MANY} with a problem")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert len(set(page.locator("#cards button").all_inner_texts())) == 1
        page.get_by_role("button", name="Try again").click()
        page.get_by_label("API key").fill(ANN)
        page.get_by_role("button", name="Use key").click()
        expect(page.locator("#summary")).to_have_text(f"{MANY} pictures")
        visit.assert_clean()
