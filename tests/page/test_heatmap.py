"""Heatmaps: their labels, their words, and the rule that they share with the PNG."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from app.images.overlay import draw_overlay
from tests.support.browser import open_page
from tests.support.page_actions import (
    choose,
    count_colors,
    expect_maps,
    expect_top,
    read_share,
    show_seven,
)
from tests.support.page_server import serve_labels
from tests.support.service import SEVEN

TWINS = ("twin",) * 10

DRAW = """async (relevance) => {
    const load = (name) => import(new URL(`page/${name}.js`, document.baseURI));
    const [{ drawHeat }, { context, newCanvas }] = [await load("heatmap"), await load("picture")];
    const canvas = newCanvas(8, 8);
    drawHeat(canvas, [[relevance]], { left: 0, top: 0, width: 8, height: 8 }, 1);
    return [...context(canvas).getImageData(4, 4, 1, 1).data];
}"""


def draw_png(relevance: float, background: int) -> list[int]:
    """Draw one relevance over one brightness as the service does; gives a pixel."""
    image = Image.new("RGB", (8, 8), (background,) * 3)
    drawn = draw_overlay(image, np.array([[relevance]], np.float32), None, 1.0)
    return [int(value) for value in np.asarray(drawn)[4, 4]]


@pytest.mark.parametrize("relevance", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_the_page_and_the_png_draw_a_map_alike(page: Page, relevance: float) -> None:
    """In the same colour, and more opaque where it is more relevant: 0.3 to 1, evenly."""
    *color, alpha = page.evaluate(DRAW, relevance)
    assert alpha == pytest.approx(255 * (0.3 + 0.7 * relevance), abs=1)
    on_black, on_white = draw_png(relevance, 0), draw_png(relevance, 255)
    assert on_white[0] - on_black[0] == pytest.approx(255 - alpha, abs=2)
    assert on_black == pytest.approx([value * alpha / 255 for value in color], abs=4)


def test_a_map_may_be_empty(page: Page) -> None:
    """Where nothing speaks for a label, the page says so, and draws one even colour."""
    with page.expect_response("**/explain?*") as explained:
        show_seven(page)
    answer = explained.value.json()
    answer["explanations"][0]["relevance"] = [[0.0, 0.0], [0.0, 0.0]]
    page.route("**/explain?*", lambda route: route.fulfill(json=answer))
    choose(page, SEVEN)
    caption = page.locator("figure:visible figcaption")
    share = read_share(page, "7")
    expect(caption).to_have_text(f"7 {share}Nothing in the picture speaks for 7.")
    assert count_colors(page.locator("figure:visible .heat")) == 1


def test_labels_of_one_name_are_explained_by_their_ids(browser: Browser, tmp_path: Path) -> None:
    """A bar explains its own label, and not the first one of that name."""
    with serve_labels(tmp_path, TWINS) as server, open_page(browser, server.url) as visit:
        page = visit.page
        own = page.expect_response("**/explain?label_id=7")
        with page.expect_response("**/predict?*") as answered, own:
            choose(page, SEVEN)
        second_id = answered.value.json()["predictions"][1]["label_id"]
        expect_top(page, "twin")
        best, second = page.locator("#bars span").all_inner_texts()[:2]
        expect_maps(page, f"twin {best}")
        bars = page.locator("#bars").get_by_role("button", name="twin", exact=True)
        expect(bars).to_have_count(5)
        with page.expect_response(f"**/explain?label_id={second_id}") as explained:
            bars.nth(1).click()
        assert explained.value.json()["explanations"][0]["label_id"] == second_id
        expect_maps(page, f"twin {second}")
        expect(bars.nth(1)).to_have_attribute("aria-pressed", "true")
        expect(bars.nth(0)).to_have_attribute("aria-pressed", "false")
        bars.nth(0).click()
        expect_maps(page, f"twin {second}", f"twin {best}")
        visit.assert_clean()
