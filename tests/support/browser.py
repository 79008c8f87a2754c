"""Debian's Chromium without a window, and pages in it that can reach nothing but the service."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.support.service import SEVEN

_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP vitrine.test 127.0.0.1",
)
DESKTOP: Final = (1280, 900)
"""Width and height of a window."""

_REFUSED: Final = "Failed to load resource"
"""How Chromium's console begins to tell of a response that is an error."""


@dataclass
class Visit:
    """One page, the requests that were blocked, and its errors.

    Attributes:
        page: the page, loaded.
        blocked: addresses of other hosts that it asked for.
        errors: what it wrote to the console as an error, or raised.
    """

    page: Page
    blocked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def try_out(self, operation: str, status: int) -> str:
        """Send a route's form in /docs as it is filled in, with a sample where it takes a file.

        Gives the JSON that the page shows.
        """
        block = self.page.locator(f'.opblock[id$="-{operation}"]')
        execute = block.get_by_role("button", name="Execute")
        if not execute.is_visible():
            block.locator(".opblock-summary-control").click()
        expect(execute).to_be_visible()
        for upload in block.locator('input[type="file"]').all():
            upload.set_input_files(SEVEN)
        execute.click()
        answer = block.locator(".live-responses-table tbody tr").first
        expect(answer.locator(".response-col_status")).to_contain_text(str(status), timeout=15_000)
        text = answer.locator(".highlight-code pre").first.inner_text()
        block.locator(".opblock-summary-control").click()  # each that is open slows the others
        return text

    def assert_clean(self) -> None:
        """It asked nothing of other hosts, and no script failed or was kept from running."""
        assert self.blocked == []
        assert [error for error in self.errors if not error.startswith(_REFUSED)] == []


@contextmanager
def launch_chromium() -> Iterator[Browser]:
    """Start Chromium with a profile of its own."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Chromium is missing: apt-get update && apt-get install -y chromium")
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        yield running
        running.close()


@contextmanager
def open_page(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Literal["dark", "light"] = "light",
    bypass_csp: bool = False,
) -> Iterator[Visit]:
    """Open a page of a service, which can reach nothing else.

    Args:
        browser: Chromium.
        url: of the page.
        size: width and height of the window.
        scheme: the colours that its person prefers.
        bypass_csp: let a test add scripts of its own.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, bypass_csp=bypass_csp
    )
    opened = Visit(context.new_page())
    origin = urlsplit(url)[:2]

    def block_others(route: Route) -> None:
        parts = urlsplit(route.request.url)
        if parts[:2] == origin:
            route.fallback()
        elif parts.scheme not in {"data", "blob"}:
            opened.blocked.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    context.route("**/*", block_others)
    opened.page.on("console", lambda line: _note(opened, line.type, line.text))
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.goto(url)
    yield opened
    context.close()


@contextmanager
def open_docs(browser: Browser, origin: str) -> Iterator[Visit]:
    """Open the docs of a service, and nothing else."""
    with open_page(browser, f"{origin}/docs", size=(1280, 1600)) as visit:
        visit.page.wait_for_load_state("networkidle")
        yield visit


def _note(visit: Visit, kind: str, text: str) -> None:
    """Keep what the console calls an error."""
    if kind == "error":
        visit.errors.append(text)
