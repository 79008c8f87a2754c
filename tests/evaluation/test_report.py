"""The report: one file that is safe to open, whatever the names in it, and fit for all readers."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page

from app.errors import SettingsError
from app.evaluation.calibration import reliability
from app.evaluation.figures import draw_curves, draw_histogram, draw_reliability
from app.evaluation.pictures import SIDE, Picture, make_thumbnail
from app.evaluation.report import MAX_ROWS, MAX_TEXT, Figure, Report
from app.limits import derive_limits
from app.settings import Settings
from tests.support import bombs, samples
from tests.support.browser import launch_chromium

HOSTILE = (
    "<script>document.title = 'taken'</script>",
    "\"'><img src=x onerror=\"document.title='taken'\">",
    "line\nbreak \u202e\x1b[31m\0 $x$ {{ 7 * 7 }}",
    "caf\udce9 \u4e2d\u6587 \U0001f600",
    "x" * 10_000,
)
LIMITS = derive_limits(Settings())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests of this file."""
    with launch_chromium() as running:
        yield running


def make_report(path: Path, labels: tuple[str, ...] = HOSTILE) -> Path:
    """Write a report with every kind of section."""
    count = len(labels)
    scores = np.random.default_rng(0).dirichlet(np.ones(count), 200).astype(np.float32)
    ids = np.arange(200) % count
    report = Report(labels[0], labels[1])
    report.add_figures([Figure(label, "0.5", label) for label in labels])
    report.add_chart("Reliability", draw_reliability(reliability(scores, ids)))
    report.add_chart("Scores", draw_histogram(scores.max(-1)[:100], scores.max(-1)[100:]))
    curves = {label[:20]: [(1.0, 0.5), (2.0, 0.25)] for label in labels[:5] if label.isprintable()}
    report.add_chart("Curves", draw_curves(curves, "epoch", "loss"))
    counts = np.random.default_rng(0).integers(0, 9, (min(count, 30),) * 2)
    report.add_matrix("Confusions", labels[:30], counts)
    report.add_table("Labels", ["Label", "Images"], [[label, "7"] for label in labels])
    thumbnail = make_thumbnail(samples.encode("PNG RGB"), LIMITS)
    report.add_pictures("Mistakes", [Picture(label, label, thumbnail) for label in labels])
    report.add_pictures("Not shown", [Picture("none", "", None)])
    report.write(path)
    return path


def find_faults(page: Page) -> list[str]:
    """Let axe-core look for faults of every rule that it has."""
    response = Axe().run(page, options={"resultTypes": ["violations"]}).response
    return [
        f"{fault['id']}: {node['html'][:200]}"
        for fault in response["violations"]
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_anyone_can_read_it(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    """No fault of accessibility, in both colours; on a phone the page scrolls one way alone."""
    path = make_report(tmp_path / "r.html", ("cat", "dog", *HOSTILE))
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,
    )
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert find_faults(page) == []
    context.close()


def test_names_from_outside_are_text(browser: Browser, tmp_path: Path) -> None:
    """No script runs, nothing is asked of a network, and no error is in the console."""
    context = browser.new_context(offline=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: said.append(line.text))
    uri = make_report(tmp_path / "r.html").as_uri()
    page.goto(uri)
    assert page.title() == HOSTILE[0]
    assert page.locator("script, img[onerror], iframe, link").count() == 0
    images = page.locator("img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert len(images) == len(HOSTILE)
    assert all(images)
    assert [url for url in asked if not url.startswith("data:image/jpeg")] == [uri]
    assert said == []
    context.close()


def test_text_is_one_short_line_without_control_characters(tmp_path: Path) -> None:
    """A label of 10,000 characters, one with a turn of direction and one that is not UTF-8."""
    text = make_report(tmp_path / "r.html").read_text("utf-8")
    assert "x" * MAX_TEXT not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800-\udfff]", text)
    assert "{{ 7 * 7 }}" in text


def test_300_labels_make_a_small_file(tmp_path: Path) -> None:
    """The matrix shows those that it is given."""
    labels = tuple(f"label {number}" for number in range(300))
    assert make_report(tmp_path / "r.html", labels).stat().st_size < 1_000_000


def test_a_table_shows_its_first_rows(tmp_path: Path) -> None:
    """So 100,000 labels do not hang a browser; the page says how many there are."""
    report = Report("t", "")
    report.add_table("Labels", ["Label"], ([str(number)] for number in range(100_000)))
    report.write(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert text.count('<th scope="row">') == MAX_ROWS
    assert f"And {100_000 - MAX_ROWS} more." in text


def test_a_report_of_nothing_is_written(tmp_path: Path) -> None:
    """No images, no labels, no rows."""
    none = np.zeros(0, np.float32)
    report = Report("t", "")
    report.add_chart("Scores", draw_histogram(none, none))
    report.add_chart("Curves", draw_curves({"loss": [(1, float("nan"))]}, "epoch", "loss"))
    report.add_matrix("Confusions", [], np.zeros((0, 0), np.int64))
    report.add_table("Labels", ["Label", "Images"], [])
    report.add_pictures("Pictures", [])
    report.write(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text("utf-8").endswith("</html>")


def test_a_report_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """One clear line, and nothing half written."""
    with pytest.raises(SettingsError, match=r"r\.html cannot be written: No such file"):
        Report("t", "").write(tmp_path / "none" / "r.html")


def test_thumbnails_keep_their_shape() -> None:
    """The longer side is at most SIDE; a small image stays as it is."""
    for size, expected in [
        ((1000, 500), (SIDE, SIDE // 2)),
        ((3, 2), (3, 2)),
        ((5000, 1), (160, 1)),
    ]:
        for form in ("JPEG", "PNG"):
            jpeg = make_thumbnail(samples.save(samples.draw(size=size), form), LIMITS)
            assert jpeg is not None
            assert Image.open(io.BytesIO(jpeg)).size == expected


@pytest.mark.parametrize("name", ["PNG pixels", "PNG stream", "GIF pixels"])
def test_a_bomb_has_no_thumbnail_or_a_small_one(name: str) -> None:
    """It is decoded within the limits of the service."""
    jpeg = make_thumbnail(bombs.BOMBS[name](), LIMITS)
    assert jpeg is None or len(jpeg) < 100_000
    assert make_thumbnail(b"no image", LIMITS) is None
