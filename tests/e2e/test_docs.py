"""/docs in a real browser that can reach nothing but the service."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.serve.service import SEVEN, Service

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP vitrine.test 127.0.0.1",
)
_ROUTES = ("/predict", "/labels", "/health")


@dataclass
class Visit:
    """One page, and what it did behind our back.

    Attributes:
        page: /docs, loaded.
        strangers: addresses of other hosts that it asked for; none was reached.
        errors: what it wrote to the console as an error, or raised.
    """

    page: Page
    strangers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Chromium is missing: apt-get update && apt-get install -y chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        yield running
        running.close()


@pytest.fixture(params=["127.0.0.1", "vitrine.test"])
def visit(request: pytest.FixtureRequest, browser: Browser, service: Service) -> Iterator[Visit]:
    """Open /docs by address, and by a name as if it were not local."""
    origin = f"http://{request.param}:{service.port}"
    context = browser.new_context(viewport={"width": 1280, "height": 1600})
    opened = Visit(context.new_page())

    def let_home_pass(route: Route) -> None:
        parts = urlsplit(route.request.url)
        if f"{parts.scheme}://{parts.netloc}" == origin:
            route.continue_()
        elif parts.scheme != "data":
            opened.strangers.append(route.request.url)
            route.abort()

    context.route("**/*", let_home_pass)
    opened.page.on("console", lambda line: _note(opened, line.type, line.text))
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.goto(f"{origin}/", wait_until="networkidle")
    yield opened
    context.close()


def test_the_docs_work_offline(visit: Visit, tmp_path: Path) -> None:
    """With the network cut, /docs shows the routes and a picture tried out is classified."""
    page = visit.page
    assert urlsplit(page.url).path == "/docs"
    for path in _ROUTES:
        expect(page.locator(f'.opblock [data-path="{path}"]')).to_be_visible()
    answer = _try_out(page)
    page.screenshot(path=tmp_path / "docs.png", full_page=True)
    assert answer["predictions"][0]["label"] == "7"
    assert visit.strangers == []
    assert visit.errors == []


def _try_out(page: Page) -> dict[str, list[dict[str, object]]]:
    """Send a sample through the form of POST /predict; gives the answer that the page shows."""
    block = page.locator("#operations-prediction-predict")
    block.locator(".opblock-summary-control").click()
    block.locator('input[type="file"]').set_input_files(SEVEN)
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table tbody tr").first
    expect(answer.locator(".response-col_status")).to_contain_text("200", timeout=15_000)
    body: dict[str, list[dict[str, object]]] = json.loads(
        answer.locator(".highlight-code pre").first.inner_text()
    )
    return body


def _note(visit: Visit, kind: str, text: str) -> None:
    """Keep what the console calls an error."""
    if kind == "error":
        visit.errors.append(text)
