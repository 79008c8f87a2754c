"""What the page makes of answers that are late, odd, or of another model."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.page_actions import (
    choose,
    expect_maps,
    expect_problem,
    expect_top,
    find_bar,
    hold_back,
    paint,
    read_second,
    read_share,
    show_seven,
    wait_until_held,
)
from tests.support.service import SEVEN


def change(answer: dict[str, Any], name: str) -> None:
    """Make an explanation one of another model, or of another label."""
    if name == "revision":
        answer["model"]["revision"] = "another"
    else:
        answer["explanations"][0]["label_id"] = 3


def test_painting_compares_with_the_unpainted_canvas(page: Page) -> None:
    """Its encoding alone may change a score, so the page asks for that when painting begins."""
    show_seven(page)

    def lower(route: Route) -> None:
        answer = route.fetch().json()
        answer["scores"][7] = 0.5
        route.fulfill(json=answer)

    page.route("**/predict?*", lower, times=1)
    with page.expect_response("**/predict?*"):
        page.get_by_role("button", name="Hide a part").click()
    paint(page, (0.03, 0.95), (0.05, 0.97))
    expect(page.locator("#bars small").first).to_have_text("was 50.00%")


def test_a_stroke_may_begin_in_a_corner(page: Page) -> None:
    """The corners of the frame are not round while it is painted on."""
    show_seven(page)
    share = read_share(page, "7")
    page.get_by_role("button", name="Hide a part").click()
    paint(page, (0.003, 0.003), (0.004, 0.004))
    expect(page.locator("#bars small").first).to_have_text(f"was {share}")


def test_the_status_ends_with_the_wait(page: Page) -> None:
    """Once a full explainer has answered, nothing says that it is tried again."""
    refusal = {"title": "Overloaded", "detail": "Try again."}
    page.route(
        "**/explain?*",
        lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, json=refusal),
        times=1,
    )
    choose(page, SEVEN)
    expect(page.get_by_role("status")).to_contain_text("trying again in 1 s")
    expect_maps(page, "7")
    expect(page.get_by_role("status")).not_to_contain_text("trying again")


def test_labels_that_fail_are_asked_for_again(page: Page) -> None:
    """Meanwhile the page does not say that the service explains nothing."""
    page.route("**/labels", lambda route: route.fulfill(status=503), times=2)
    page.reload()
    choose(page, SEVEN)
    expect_top(page, "7")
    expect_maps(page, "7")
    expect(page.locator("#unexplained")).to_be_empty()
    page.get_by_role("button", name="More labels").click()
    expect(page.locator("#bars meter")).to_have_count(10)


def test_a_sample_that_is_missing_is_no_picture(page: Page) -> None:
    """The problem is the service's, and its answer is not sent as a picture."""
    sample = page.locator("#samples button").nth(3)
    expect(sample).to_be_visible()
    page.route("**/page/samples/3*", lambda route: route.fulfill(status=404, body="no"))
    sample.click()
    expect_problem(page, "3-0.png: The service did not answer")


def test_the_picture_has_its_colours_until_there_is_a_map(page: Page) -> None:
    """It is grey only below a heatmap."""
    show_seven(page)
    expect(page.locator(".frame.mapped")).to_have_count(1)
    held = hold_back(page, "**/explain?*")
    second = read_second(page)
    find_bar(page, second).click()
    slow = wait_until_held(page, held)
    expect(page.locator(".frame.mapped")).to_have_count(0)
    slow.fallback()
    expect_maps(page, second)
    expect(page.locator(".frame.mapped")).to_have_count(1)


def test_a_label_is_asked_for_by_its_id(page: Page) -> None:
    """Two labels may have one name."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    show_seven(page)
    assert [url for url in asked if url.startswith("explain")] == ["explain?label_id=7"]


@pytest.mark.parametrize("name", ["revision", "label_id"])
def test_a_map_of_something_else_is_not_shown(page: Page, name: str) -> None:
    """The model may change between the scores and the map; *Try again* asks for both."""
    with page.expect_response("**/explain?*") as explained:
        show_seven(page)
    answer = explained.value.json()
    change(answer, name)
    page.route("**/explain?*", lambda route: route.fulfill(json=answer), times=1)
    choose(page, SEVEN)
    expect_problem(page, "Heatmap of 7: The model has changed")
    expect(page.locator(".frame.mapped")).to_have_count(0)
    with page.expect_response("**/predict?*"):
        page.get_by_role("button", name="Try again").click()
    expect_maps(page, "7")
