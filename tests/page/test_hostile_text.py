"""Names of files and labels come from strangers; the page shows them as text."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from app.prediction.predictor import Predictor
from tests.support.browser import open_page
from tests.support.fake_backend import DESCRIPTION, FakeBackend
from tests.support.http_app import LIMITS
from tests.support.page_actions import (
    FOUR,
    choose,
    download_csv,
    expect_maps,
    expect_problem,
    expect_top,
    find_bar,
    make_payload,
    read_share,
)
from tests.support.page_server import serve_labels, serve_page
from tests.support.samples import encode_grey
from tests.support.service import SEVEN

NAMES = (
    "<img src=x onerror=alert(1)>.png",
    "\"'`${alert(1)}.png",
    "\u202egnp.exe \U0001f4a9.png",
    "n" * 200 + ".png",
)
IMG = "<img src=x onerror=alert('seven')>"
FORMULA = '=HYPERLINK("//x")<svg onload=alert(4)>'
LABELS = (*(FORMULA,) * 7, IMG, FORMULA, FORMULA)


@contextmanager
def expect_text_alone(page: Page) -> Iterator[None]:
    """No script runs, no name becomes an element, and the page scrolls one way alone."""
    shown: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        shown.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    yield
    assert shown == []
    assert page.locator("main img[src=x], main svg").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_text(page: Page, name: str) -> None:
    """In the file's line, in a problem and on the contact sheet, and wherever it is read out."""
    seven = make_payload(name, SEVEN.read_bytes())
    with expect_text_alone(page):
        choose(page, seven)
        expect(page.locator("#file")).to_contain_text(name)
        choose(page, make_payload(name, b"no picture"))
        expect_problem(page, name)
        choose(page, seven, make_payload(name, b"no picture"))
        expect(page.locator("#cards .fine").first).to_have_text(name)
        expect(page.locator("#summary")).to_have_text("2 pictures, 1 with a problem")


def test_a_hostile_label_is_text(browser: Browser) -> None:
    """In large type and beside its bar, also where it is long or empty."""
    labels = ("<script>alert(1)</script>", "=1+1", "", "white " * 40, "&lt;b&gt;")
    predictor = Predictor(FakeBackend(replace(DESCRIPTION, labels=labels)), LIMITS)
    with serve_page(predictor) as server, open_page(browser, server.url) as visit:
        with expect_text_alone(visit.page):
            choose(visit.page, make_payload("black.png", encode_grey(0)))
            expect_top(visit.page, labels[0])
            expect(find_bar(visit.page, labels[0])).to_be_visible()
            expect(visit.page.locator("#samples")).to_be_hidden()
        visit.assert_clean()


def test_a_hostile_label_is_text_where_it_is_explained(browser: Browser, tmp_path: Path) -> None:
    """Below its heatmap, on the buttons, in what is read out, on the sheet and in the CSV file."""
    with serve_labels(tmp_path, LABELS) as server, open_page(browser, server.url) as visit:
        page = visit.page
        with expect_text_alone(page):
            choose(page, SEVEN)
            expect_top(page, IMG)
            share = read_share(page, IMG)
            expect(page.get_by_role("status")).to_have_text(f"{IMG}, {share}, then {FORMULA}")
            page.get_by_role("button", name=f"Compare with {FORMULA}", exact=True).click()
            expect_maps(page, IMG, FORMULA)
            expect(page.locator("figcaption strong")).to_have_text([IMG, FORMULA])
            choose(page, SEVEN, FOUR)
            expect(page.locator("#cards button")).to_have_text([IMG, FORMULA])
            text, rows = download_csv(page)
            assert [row["label"] for row in rows] == [IMG, f"'{FORMULA}"]
            assert rows[0]["second_label"] == f"'{FORMULA}"
            assert '"\'=HYPERLINK(""//x"")' in text
        visit.assert_clean()
