"""A page of /docs in a browser that can reach nothing but the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Route, expect

from tests.support.service import SEVEN


@dataclass
class Visit:
    """One page, the requests that were blocked, and its errors.

    Attributes:
        page: /docs, loaded.
        blocked: addresses of other hosts that it asked for.
        errors: what it wrote to the console as an error, or raised.
    """

    page: Page
    blocked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def try_out(self, operation: str, status: int) -> str:
        """Send a route's form as it is filled in, with a sample where it takes a file.

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


@contextmanager
def open_docs(browser: Browser, origin: str) -> Iterator[Visit]:
    """Open the root of a service, which leads to its docs, and nothing else."""
    context = browser.new_context(viewport={"width": 1280, "height": 1600})
    opened = Visit(context.new_page())

    def block_others(route: Route) -> None:
        parts = urlsplit(route.request.url)
        if f"{parts.scheme}://{parts.netloc}" == origin:
            route.continue_()
        elif parts.scheme != "data":
            opened.blocked.append(route.request.url)
            route.abort()

    context.route("**/*", block_others)
    opened.page.on("console", lambda line: _note(opened, line.type, line.text))
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.goto(f"{origin}/", wait_until="networkidle")
    yield opened
    context.close()


def _note(visit: Visit, kind: str, text: str) -> None:
    """Keep what the console calls an error."""
    if kind == "error":
        visit.errors.append(text)
