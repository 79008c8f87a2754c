"""GET / and /page/…: the page for people, from files of this package alone."""

import asyncio
import re
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from app.api.http.factory import create_app
from app.api.http.routes.page import INDEX, TYPES
from app.api.services import build_services
from app.errors import NotFoundError
from app.prediction.predictor import Predictor
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, URL, answer, get
from tests.support.problems import read_problem

FOLDER = Path(__file__).parents[3] / "app" / "api" / "http" / "page"
MAX_TOTAL = 60_000
MAX_LINES = 200
LOADED = sorted(path.name for path in FOLDER.iterdir() if path.name != INDEX)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)


def ask(path: str, *, has_samples: bool, root_path: str = "") -> httpx.Response:
    """Let an app with or without samples answer, mounted at `root_path`."""
    app = create_app(build_services(Predictor(FakeBackend(), LIMITS)), has_samples=has_samples)
    mounted = Starlette(routes=[Mount(root_path, app)])

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=mounted)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            return await client.get(path)

    return asyncio.run(send())


def list_references() -> set[str]:
    """List what the files of the page load, below /page/."""
    found = set(re.findall(r'(?:src|href)="page/([^"]+)"', (FOLDER / INDEX).read_text()))
    for path in FOLDER.glob("*.js"):
        found |= set(re.findall(r'^import .* from "\./([^"]+)";$', path.read_text(), re.MULTILINE))
    return found


def test_the_page_may_load_and_reach_the_service_alone() -> None:
    """Its policy allows no inline code, no other host, no frame, no HTML made of strings."""
    response = answer(get("/"))
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == POLICY
    assert response.headers["permissions-policy"] == "camera=(self)"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-frame-options"] == "DENY"


def test_the_page_leads_to_the_docs() -> None:
    """Whoever looks for the API finds it."""
    assert '<a href="docs">' in answer(get("/")).text


def test_every_file_is_loaded_by_another() -> None:
    """Nothing is missing in the folder, or left over."""
    assert list_references() == set(LOADED)


def test_the_page_is_small() -> None:
    """All files together have at most 60 kB, a module at most 200 lines."""
    sizes = [path.stat().st_size for path in FOLDER.iterdir()]
    assert sum(sizes) <= MAX_TOTAL
    for path in FOLDER.glob("*.js"):
        assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES, path.name


def test_the_page_has_nothing_inline_and_nothing_from_outside() -> None:
    """No script or style in the markup, no handler in an attribute, no other address, no HTML."""
    html = (FOLDER / INDEX).read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script[^>]*>[^<]", html)
    words = "innerHTML|outerHTML|insertAdjacentHTML|document.write|eval\\(|localStorage|cookie"
    for path in FOLDER.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(rf"https?://|url\(|{words}", text), path.name


@pytest.mark.parametrize("name", LOADED)
def test_a_file_has_its_type_and_a_tag(name: str) -> None:
    """It is not sent again to whoever has it, and is what it says."""
    response = answer(get(f"/page/{name}"))
    assert response.status_code == 200
    assert response.content == (FOLDER / name).read_bytes()
    assert response.headers["content-type"] == TYPES[Path(name).suffix]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-cache"
    again = answer(get(f"/page/{name}", {"If-None-Match": response.headers["etag"]}))
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == response.headers["etag"]


def test_the_page_itself_has_a_tag() -> None:
    """A reload costs no page."""
    tag = answer(get("/")).headers["etag"]
    assert answer(get("/", {"If-None-Match": f"W/{tag}"})).status_code == 304
    assert answer(get("/", {"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    "path", ["/page/", "/page/x", "/page/index.html", "/page/..%2froutes", "/page/a/b"]
)
def test_only_the_files_of_the_page_are_sent(path: str) -> None:
    """There is no way from its files to others."""
    read_problem(answer(get(path)), NotFoundError)


@pytest.mark.parametrize("root_path", ["", "/below/a/path"])
def test_the_page_works_below_any_path(root_path: str) -> None:
    """Its addresses are relative, and lead to its files wherever it is mounted."""
    page = ask(f"{root_path}/", has_samples=True, root_path=root_path)
    assert page.status_code == 200
    for reference in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert not reference.startswith("/")
        address = urljoin(str(page.url), reference)
        assert ask(address, has_samples=True, root_path=root_path).status_code == 200


def test_samples_come_with_the_bundled_model() -> None:
    """Each that is listed is sent."""
    names = ask("/page/samples", has_samples=True).json()
    assert len(names) == 20
    response = ask(f"/page/samples/{names[0]}", has_samples=True)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")


def test_another_model_has_no_samples() -> None:
    """Digits would say nothing of it."""
    assert ask("/page/samples", has_samples=False).json() == []
    assert ask("/page/samples/7-0.png", has_samples=False).status_code == 404


@pytest.mark.parametrize("name", ["x.png", "..%2f..%2f__init__.py", "7-0.png%00"])
def test_only_samples_are_sent_as_samples(name: str) -> None:
    """There is no way from them to other files."""
    assert ask(f"/page/samples/{name}", has_samples=True).status_code == 404
