"""What a person does on the page, and reads there."""

import base64
import csv
import io
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.support.samples import draw, save
from tests.support.service import SAMPLES, SEVEN

FOUR: Final = SAMPLES / "4-0.png"

_HAND_OVER: Final = """([kind, files]) => {
    const transfer = new DataTransfer();
    for (const [name, data] of files)
        transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
    const options = { bubbles: true, cancelable: true };
    const event = kind === "paste"
        ? new ClipboardEvent(kind, { ...options, clipboardData: transfer })
        : new DragEvent(kind, { ...options, dataTransfer: transfer });
    document.activeElement.dispatchEvent(event);
}"""


def choose(page: Page, *files: Path | FilePayload) -> None:
    """Choose files in the dialog of the browser."""
    paths = [file for file in files if isinstance(file, Path)]
    payloads = [file for file in files if not isinstance(file, Path)]
    page.locator("#choose").set_input_files(paths or payloads)


def hand_over(page: Page, kind: str, *files: Path) -> None:
    """Paste or drop files, by the event that the browser would send."""
    encoded = [(file.name, base64.b64encode(file.read_bytes()).decode()) for file in files]
    page.evaluate(_HAND_OVER, [kind, encoded])


def make_payload(name: str, data: bytes, mime: str = "image/png") -> FilePayload:
    """Make a file of any name, as a person may have it."""
    return {"name": name, "mimeType": mime, "buffer": data}


TIFF: Final = make_payload("scan.tiff", save(draw(size=(60, 40)), "TIFF"), "image/tiff")
"""A picture that the browser cannot read."""


def expect_top(page: Page, label: str) -> None:
    """Wait for the label in large type."""
    expect(page.locator("#top")).to_have_text(label)


def expect_problem(page: Page, text: str) -> None:
    """Wait for a problem that says `text`."""
    expect(page.get_by_role("alert")).to_contain_text(text)


def expect_maps(page: Page, *labels: str) -> None:
    """Wait for the heatmaps of labels, side by side, each drawn and said in words."""
    captions = page.locator("figure:visible figcaption")
    expect(captions).to_have_count(len(labels))
    for index, label in enumerate(labels):
        expect(captions.nth(index)).to_contain_text(label)
        expect(captions.nth(index)).to_contain_text(
            "trongest", timeout=30_000
        )  # an explainer may start
        assert count_colors(page.locator("figure:visible .heat").nth(index)) > 16


def show_seven(page: Page) -> None:
    """Choose a seven, and wait for its answer and its heatmap."""
    choose(page, SEVEN)
    expect_top(page, "7")
    expect_maps(page, "7")


def find_bar(page: Page, label: str) -> Locator:
    """Find the button of a label's bar."""
    return page.locator("#bars").get_by_role("button", name=label, exact=True)


def read_second(page: Page) -> str:
    """Read the label of the second bar: which one that is depends on the model."""
    return page.locator("#bars button").nth(1).inner_text()


def compare_best_two(page: Page) -> str:
    """Show the best two labels of a seven side by side; gives the second."""
    second = read_second(page)
    page.get_by_role("button", name=f"Compare with {second}", exact=True).click()
    expect_maps(page, "7", second)
    return second


def read_share(page: Page, label: str) -> str:
    """Read the score of a label as it is written beside its bar."""
    return find_bar(page, label).locator("xpath=../span").inner_text()


def read_score(page: Page, label: str) -> float:
    """Read the score of a label from its meter."""
    return float(find_bar(page, label).locator("xpath=../meter").evaluate("meter => meter.value"))


def count_colors(canvas: Locator) -> int:
    """Count the colours of a canvas."""
    return int(
        canvas.evaluate(
            """canvas => new Set(new Uint32Array(canvas.getContext("2d")
            .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
        )
    )


def download_csv(page: Page) -> tuple[str, list[dict[str, str]]]:
    """Download the sheet; gives its text and its rows."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "predictions.csv"
    text = download.value.path().read_bytes().decode()
    return text, list(csv.DictReader(io.StringIO(text, newline="")))


def paint(page: Page, *points: tuple[float, float]) -> None:
    """Paint a stroke through points, in parts of the picture's width and height."""
    frame = page.locator(".frame").first
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def measure_delays(page: Page, pictures: list[Path]) -> list[float]:
    """Choose samples one by one.

    Gives the milliseconds from each answer's last byte to the frame that shows its bars.
    """
    page.evaluate(
        """() => {
            const mark = () => setTimeout(() => performance.mark("bars"));
            new MutationObserver(() => requestAnimationFrame(mark))
                .observe(document.getElementById("bars"), { childList: true, subtree: true });
        }"""
    )
    for picture in pictures:
        choose(page, picture)
        expect(page.locator("#file")).to_contain_text(picture.name)
        expect_maps(page, picture.name[0])
    delays: list[float] = page.evaluate(
        """() => performance.getEntriesByType("resource")
            .filter(({ name }) => name.includes("/predict"))
            .map(({ responseEnd }) => performance.getEntriesByName("bars")
                .find(({ startTime }) => startTime >= responseEnd).startTime - responseEnd)"""
    )
    return delays


def hold_back(page: Page, pattern: str) -> list[Route]:
    """Hold back the next request to an address; the list gets it, `fallback` lets it go."""
    held: list[Route] = []

    def hold(route: Route) -> None:  # Playwright marks a handler, which list.append cannot be
        held.append(route)

    page.route(pattern, hold, times=1)
    return held


def wait_until_held(page: Page, held: list[Route]) -> Route:
    """Wait until a request is held back."""
    for _ in range(500):
        if held:
            return held[0]
        page.wait_for_timeout(20)
    pytest.fail("nothing was asked")


def hold_decoding(page: Page) -> None:
    """Hold back the browser's decoding of the next picture."""
    page.evaluate(
        """() => {
            const real = createImageBitmap;
            globalThis.createImageBitmap = async (...given) => {
                globalThis.createImageBitmap = real;
                await new Promise((resolve) => (globalThis.decode = resolve));
                return real(...given);
            };
        }"""
    )


def go_on_decoding(page: Page) -> None:
    """Let the picture that is held back be decoded."""
    page.wait_for_function("() => globalThis.decode")
    page.evaluate("decode()")
