"""Several pictures: the contact sheet, its order, its CSV file and its memory."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.page_actions import (
    TIFF,
    choose,
    count_colors,
    download_csv,
    expect_maps,
    expect_top,
    hand_over,
    make_payload,
)
from tests.support.service import ROOT, SAMPLES, SEVEN

PATHS = sorted(SAMPLES.glob("*.png"))
MANY = 50
FILE_BYTES = 5_000_000
MAX_TAB_BYTES = 500_000_000


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    """Fifty photographs of twelve megapixels and 5 MB each: one file with fifty names."""
    noise = np.random.default_rng(0).integers(0, 255, (750, 1000, 3), np.uint8)
    image = Image.fromarray(noise).resize((4000, 3000), Image.Resampling.BILINEAR)
    first = tmp_path / "0.jpg"
    image.save(first, quality=80)
    data = first.read_bytes()
    assert FILE_BYTES / 2 < len(data) <= FILE_BYTES
    first.write_bytes(data + bytes(FILE_BYTES - len(data)))
    paths = [first, *(tmp_path / f"{index}.jpg" for index in range(1, MANY))]
    for path in paths[1:]:
        os.link(first, path)
    return paths


@contextmanager
def watch_tabs() -> Iterator[list[int]]:
    """Watch the memory of the tabs' processes; the list gets the most that any of them had."""
    peak, is_over = [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.1):
            for process in psutil.Process().children(recursive=True):
                try:
                    if "--type=renderer" in process.cmdline():
                        peak[0] = max(peak[0], process.memory_info().rss)
                except psutil.Error:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        is_over.set()
        thread.join()


def expect_summary(page: Page, text: str) -> None:
    """Wait until all pictures are done."""
    expect(page.locator("#summary")).to_have_text(text, timeout=60_000)


def list_names(page: Page) -> list[str]:
    """List the files in the order of the cards."""
    return [text.partition(":")[0] for text in page.locator("#cards .fine").all_inner_texts()]


def test_several_pictures_become_a_contact_sheet(page: Page) -> None:
    """Each has its card with a thumbnail, its label and score; a problem spoils only its own."""
    choose(page, *PATHS, ROOT / "README.md")
    expect_summary(page, "21 pictures, 1 with a problem")
    labels = page.locator("#cards button").all_inner_texts()
    assert labels[:-1] == [path.name[0] for path in PATHS]
    assert labels[-1] == "Unsupported media type"
    expect(page.locator("#cards .fine").last).to_contain_text("README.md: The content looks like")
    assert count_colors(page.locator("#cards canvas").first) > 16
    expect(page.locator("#cards meter:visible")).to_have_count(20)


def test_the_sheet_is_sorted(page: Page) -> None:
    """By label, and by certainty either way; what has no answer is last, the focus stays."""
    choose(page, ROOT / "README.md", *reversed(PATHS))
    expect_summary(page, "21 pictures, 1 with a problem")
    page.get_by_label("Sort by").select_option("label")
    assert [name[0] for name in list_names(page)[:20]] == [path.name[0] for path in PATHS]
    page.get_by_label("Sort by").select_option("least certain first")
    scores = [float(row["score"]) for row in download_csv(page)[1][:20]]
    assert scores == sorted(scores)
    page.get_by_label("Sort by").select_option("most certain first")
    page.get_by_label("Sort by").focus()
    rows = download_csv(page)[1]
    assert [row["file"] for row in rows] == list_names(page)
    assert rows[-1]["file"] == "README.md"
    assert [float(row["score"]) for row in rows[:20]] == scores[::-1]


def test_the_csv_file_is_safe_and_exact(page: Page) -> None:
    """RFC 4180 with CRLF; no text begins like a formula; scores have every digit."""
    data = SEVEN.read_bytes()
    names = ["=1+1.png", "+a.png", "-a.png", "@a.png", '"a", b.png']
    with page.expect_response("**/predict?*") as answered:
        choose(page, *(make_payload(name, data) for name in names), make_payload("x.txt", b"no"))
    second = answered.value.json()["predictions"][1]["label"]
    expect_summary(page, "6 pictures, 1 with a problem")
    text, rows = download_csv(page)
    assert text.endswith("\r\n")
    assert text.count("\r\n") == text.count("\n") == 7
    assert [row["file"] for row in rows] == [f"'{name}" for name in names[:4]] + [
        '"a", b.png',
        "x.txt",
    ]
    first = rows[0]
    assert (first["label"], first["label_id"], first["second_label"]) == ("7", "7", second)
    assert (first["width"], first["height"], first["format"]) == ("64", "64", "PNG")
    assert first["model"] == "vitrine-digits"
    assert len(first["score"]) > 10
    assert rows[5]["problem"].startswith("Unsupported media type: ")
    assert rows[5]["label"] == ""


def test_one_card_opens_and_the_sheet_comes_back(page: Page) -> None:
    """Nothing of it is lost meanwhile; more pictures are added, and it can be cleared."""
    hand_over(page, "drop", *PATHS[:3])
    expect_summary(page, "3 pictures")
    page.locator("#cards button").nth(2).click()
    expect_top(page, "1")
    expect_maps(page, "1")
    page.get_by_role("button", name="Contact sheet").click()
    expect(page.locator("#cards li:visible")).to_have_count(3)
    choose(page, *PATHS[3:5])
    expect_summary(page, "5 pictures")
    page.get_by_role("button", name="Clear sheet").click()
    expect(page.get_by_text("What does the model see?")).to_be_visible()
    expect(page.locator("#choose")).to_be_focused()


def test_the_sheet_draws_what_the_browser_cannot(page: Page) -> None:
    """A TIFF has its thumbnail too."""
    choose(page, TIFF, make_payload("7.png", SEVEN.read_bytes()))
    expect_summary(page, "2 pictures")
    expect(page.locator("#cards canvas").first).to_have_js_property("width", 60)


def test_fifty_photographs_do_not_fill_the_memory(page: Page, photographs: list[Path]) -> None:
    """The tab stays below 500 MB, with at most four requests at a time, and no blob is kept."""
    page.evaluate(
        """() => {
            globalThis.blobs = 0;
            const [create, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
            URL.createObjectURL = (blob) => (blobs += 1, create(blob));
            URL.revokeObjectURL = (url) => (blobs -= 1, revoke(url));
        }"""
    )
    flying, most = set[str](), 0

    def begin(url: str) -> None:
        nonlocal most
        flying.add(url)
        most = max(most, len(flying))

    page.on("request", lambda request: begin(str(id(request))))
    page.on("requestfinished", lambda request: flying.discard(str(id(request))))
    with watch_tabs() as peak:
        choose(page, *photographs)
        expect_summary(page, "50 pictures")
        expect(page.locator("body.busy")).to_have_count(0, timeout=60_000)
    print(f"50 photographs of 5 MB: the tab had at most {peak[0] / 1e6:.0f} MB")  # noqa: T201
    assert 0 < peak[0] < MAX_TAB_BYTES
    assert most <= 4
    assert page.evaluate("blobs") == 0
    expect(page.locator("#cards canvas").last).to_have_js_property("width", 224)
