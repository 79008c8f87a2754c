"""The documentation: its links, the files and commands that it names, the length of a page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
SOURCES = [
    f"/{path.relative_to(ROOT)}"
    for folder in ("app", "schemas", "tests", "bench", "tools", "docs", "deploy", "openapi")
    for path in (ROOT / folder).rglob("*")
]
MAX_LINES = 150
RAYS_PROCESSES = {"dashboard.py", "monitor.py"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def list_anchors(page: Path) -> set[str]:
    """List the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@each_page
def test_a_page_has_at_most_150_lines(page: Path) -> None:
    """A longer page is split by what a reader comes for."""
    assert len(page.read_text("utf-8").splitlines()) <= MAX_LINES


@each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    """Every relative link names a file, and its anchor a heading of that file."""
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in list_anchors(target), link


@each_page
def test_named_files_exist(page: Path) -> None:
    """Every source file that a page names, by the end of its path, is in the repository."""
    text = page.read_text("utf-8")
    for name in re.findall(r"[\w./-]*\w\.(?:py|proto|yaml)\b|bench/[\w/.-]+\.json", text):
        is_ours = any(path.endswith(f"/{name.lstrip('./')}") for path in SOURCES)
        assert is_ours or name in RAYS_PROCESSES, name


@each_page
def test_named_make_targets_exist(page: Path) -> None:
    """Every `make` target that a page names is in the Makefile."""
    named = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(named) <= set(targets)
