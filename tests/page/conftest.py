"""The browser, and a server over the bundled model, that the tests of the page share."""

from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from app.settings import Settings
from tests.support.browser import launch_chromium, open_page
from tests.support.page_server import PageServer, serve_page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window; Playwright's event loop must not outlive the module."""
    with launch_chromium() as running:
        yield running


@pytest.fixture(autouse=True)
def _allow_large_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set Pillow's own limit, which each ImageDecoder of this process has replaced."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Settings().max_pixels)


@pytest.fixture(scope="session")
def server() -> Iterator[PageServer]:
    """The page over the bundled model."""
    with serve_page() as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: PageServer) -> Iterator[Page]:
    """The page, opened; at the end it has asked nothing of other hosts, and no script failed."""
    with open_page(browser, server.url) as visit:
        yield visit.page
        visit.assert_clean()
