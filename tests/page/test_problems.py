"""What goes wrong on the page is said in words, and nothing that was shown is lost."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from app.deployments.haproxy_pages import OVERLOADED
from app.prediction.predictor import Predictor
from tests.support.browser import open_page
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS
from tests.support.page_actions import (
    choose,
    expect_maps,
    expect_problem,
    expect_top,
    find_bar,
    hand_over,
    make_payload,
    read_second,
    show_seven,
)
from tests.support.page_server import PageServer, serve_page
from tests.support.samples import encode_grey
from tests.support.service import SEVEN
from tests.support.uploads import REFUSED

BLACK = make_payload("black.png", encode_grey(0))
WHITE = make_payload("white.png", encode_grey(255))


def make_predictor() -> Predictor:
    """Make a predictor that tells black from white, at once."""
    return Predictor(FakeBackend(), LIMITS)


@pytest.mark.parametrize("name", ["text renamed .jpg", "empty", "truncated JPEG", "SVG"])
def test_what_is_no_picture_is_refused_in_words(page: Page, name: str) -> None:
    """The service's own title and detail, with the file's name; the seven is still there."""
    show_seven(page)
    data, error = REFUSED[name]
    choose(page, make_payload(f"{name}.jpg", data))
    expect_problem(page, f"{name}.jpg: {error.title}")
    expect_top(page, "7")
    expect_maps(page, "7")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_huge_picture_is_refused_and_never_decoded(page: Page) -> None:
    """Neither by the service nor by the browser."""
    choose(page, make_payload("huge.png", REFUSED["PNG of 100,000 x 100,000"][0]))
    expect_problem(page, "huge.png: Image too large")


def test_a_file_that_is_too_large_is_refused(browser: Browser) -> None:
    """It is said so, by the service itself."""
    with serve_page(make_predictor()) as server, open_page(browser, server.url) as visit:
        choose(visit.page, make_payload("large.png", SEVEN.read_bytes() + bytes(1_500_000)))
        expect_problem(visit.page, "Payload too large")


def test_what_is_dropped_may_be_no_file(page: Page) -> None:
    """Such as a link from another page."""
    hand_over(page, "drop")
    expect_problem(page, "This is no file")


def test_the_service_may_stop_and_come_back(browser: Browser) -> None:
    """What was shown stays, and the same picture is answered when the service is back."""
    with serve_page(make_predictor()) as server, open_page(browser, server.url) as visit:
        page = visit.page
        choose(page, BLACK)
        expect_top(page, "black")
        server.stop()
        choose(page, WHITE)
        expect_problem(page, "white.png: The service cannot be reached")
        expect_top(page, "black")
        server.start()
        page.get_by_role("button", name="Try again").click()
        expect_top(page, "white")
        expect(page.get_by_role("alert")).to_be_empty()
        visit.assert_clean()


def test_a_heatmap_may_fail_alone(page: Page) -> None:
    """The bars and the heatmap before it stay, and it is asked for again."""
    show_seven(page)
    page.route("**/explain?*", lambda route: route.abort(), times=1)
    second = read_second(page)
    find_bar(page, second).click()
    expect_problem(page, f"Heatmap of {second}: The service cannot be reached")
    expect_top(page, "7")
    page.get_by_role("button", name="Try again").click()
    expect_maps(page, second)


def test_a_full_service_is_asked_again(page: Page) -> None:
    """After as many seconds as it says, and the page says so meanwhile."""
    left = [json.dumps(OVERLOADED.describe("proxy"))] * 2

    def refuse(route: Route) -> None:
        if not left:
            route.fallback()
            return
        headers = {"Retry-After": "1", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=left.pop())

    page.route("**/predict?*", refuse)
    choose(page, SEVEN)
    expect(page.get_by_role("status")).to_have_text("Overloaded; trying again in 1 s (1 of 3).")
    expect_top(page, "7")


def test_a_proxy_may_answer_without_a_problem(page: Page) -> None:
    """Its status is said."""
    page.route("**/predict?*", lambda route: route.fulfill(status=413, body="<html>"))
    choose(page, SEVEN)
    expect_problem(page, "too large for the server in front")


def test_the_page_works_below_a_path(browser: Browser) -> None:
    """Its addresses are relative: files, samples and requests follow the place of the page."""
    with serve_page(root_path="/models/digits") as server, open_page(browser, server.url) as visit:
        visit.page.locator("#samples button").first.click()
        expect_top(visit.page, "0")
        expect_maps(visit.page, "0")
        assert f"{server.url}predict" in visit.page.locator("#snippet").inner_text()
        visit.page.get_by_role("link", name="API docs").click()
        visit.page.wait_for_url("**/models/digits/docs")


def test_a_file_that_has_gone_is_named(page: Page, server: PageServer, tmp_path: Path) -> None:
    """Between its choice and its request it may be deleted."""
    assert server.url == page.url
    path = tmp_path / "gone.png"
    path.write_bytes(SEVEN.read_bytes())
    choose(page, path)
    expect_maps(page, "7")
    path.unlink()
    find_bar(page, read_second(page)).click()
    expect_problem(page, "The file cannot be read")
