"""Pictures that the browser cannot read: the service draws them, whatever the model."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from app.images.formats import load_heif
from app.prediction.predictor import Predictor
from tests.support.architectures import save_architecture
from tests.support.browser import open_page
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS
from tests.support.page_actions import (
    TIFF,
    choose,
    count_colors,
    expect_maps,
    make_payload,
    show_seven,
)
from tests.support.page_server import serve_model, serve_page
from tests.support.samples import draw, save


def expect_drawn(page: Page, file_format: str) -> None:
    """Wait for the picture, which can be painted on like any other."""
    expect(page.locator("#file")).to_contain_text(f"60 \u00d7 40 {file_format}")
    picture = page.locator(".frame canvas").first
    expect(picture).to_have_js_property("width", 60)
    assert count_colors(picture) > 100
    expect(page.locator(".frame").first).to_have_attribute("data-note", "")
    expect(page.get_by_role("button", name="Hide a part")).to_be_visible()


@pytest.mark.parametrize("file_format", ["TIFF", "HEIF"])
def test_the_service_draws_what_the_browser_cannot(page: Page, file_format: str) -> None:
    """A TIFF or HEIC is seen and explained like any other."""
    load_heif()
    image = draw(size=(60, 40))
    choose(page, make_payload("picture", save(image, file_format), f"image/{file_format.lower()}"))
    expect_drawn(page, file_format)
    expect_maps(page, page.locator("#top").inner_text())


def test_a_model_without_maps_has_its_pictures_drawn(browser: Browser, tmp_path: Path) -> None:
    """A Swin has no default method: the page says so, and shows a TIFF and its thumbnail."""
    model = save_architecture(tmp_path, "swin")
    with serve_model(str(model)) as server, open_page(browser, server.url) as visit:
        page = visit.page
        choose(page, TIFF)
        expect_drawn(page, "TIFF")
        expect(page.locator("#unexplained")).to_contain_text("models of type swin")
        expect(page.locator("#bars button:disabled")).to_have_count(5)
        choose(page, TIFF, TIFF)
        expect(page.locator("#summary")).to_have_text("2 pictures")
        expect(page.locator("#cards canvas").first).to_have_js_property("width", 60)
        visit.assert_clean()


def test_a_service_without_an_explainer_draws_pictures(browser: Browser) -> None:
    """The page says why there is no heatmap, and asks for none."""
    predictor = Predictor(FakeBackend(), LIMITS)
    with (
        serve_page(predictor, explains=None) as server,
        open_page(browser, server.url) as visit,
    ):
        asked: list[str] = []

        def note(request: Request) -> None:
            if request.method == "POST":
                asked.append(request.url.rpartition("/")[2])

        visit.page.on("request", note)
        choose(visit.page, TIFF)
        expect_drawn(visit.page, "TIFF")
        expect(visit.page.locator("#unexplained")).to_contain_text("VITRINE_EXPLAINER_REPLICAS=0")
        expect(visit.page.locator("#bars button:disabled")).to_have_count(5)
        assert asked == ["predict?scores=all", "explain?format=png&opacity=0"]
        visit.assert_clean()


def test_what_nobody_can_draw_has_its_name_in_its_place(page: Page) -> None:
    """And its size; there is nothing to paint on until the next picture."""
    page.route("**/explain?format=png*", lambda route: route.abort(), times=1)
    choose(page, TIFF)
    note = re.compile("^scan.tiff \u00b7 60 \u00d7 40 TIFF .*\nThis browser cannot show it.$")
    expect(page.locator(".frame").first).to_have_attribute("data-note", note)
    expect(page.get_by_role("button", name="Hide a part")).to_be_hidden()
    show_seven(page)
    expect(page.get_by_role("button", name="Hide a part")).to_be_visible()
