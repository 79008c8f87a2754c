"""GET /docs: Swagger UI from this service alone."""

import base64
import hashlib
import re
from urllib.parse import urljoin, urlsplit

import pytest

from app.errors import NotFoundError
from tests.support.http_app import URL, answer, get
from tests.support.problems import read_problem


def list_references(html: str) -> list[str]:
    """List what a page loads, as written."""
    attributes = re.findall(r"""(?:src|href)=["']([^"']+)""", html)
    return [*attributes, *re.findall(r"""url: ["']([^"']+)""", html)]


def test_the_docs_load_from_the_service_alone() -> None:
    """Every script, style and document of /docs is of the same origin, and is there."""
    response = answer(get("/docs"))
    assert response.headers["content-type"].startswith("text/html")
    references = list_references(response.text)
    assert len(references) >= 4
    for reference in references:
        address = urljoin(f"{URL}/docs", reference)
        assert address.startswith(f"{URL}/")
        assert answer(get(urlsplit(address).path)).status_code == 200


def test_the_docs_may_do_nothing_else() -> None:
    """The page runs its own scripts alone, in no frame, and sends no referrer."""
    response = answer(get("/docs"))
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    rules = response.headers["content-security-policy"].split("; ")
    policy = dict(rule.split(" ", 1) for rule in rules)
    (script,) = re.findall("<script>(.*?)</script>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"


def test_the_docs_keep_no_key() -> None:
    """A key that is typed into the page is not stored in the browser."""
    assert '"persistAuthorization": false' in answer(get("/docs")).text


@pytest.mark.parametrize("path", ["/swagger/", "/swagger/x", "/swagger/..%2f__init__"])
def test_only_the_files_of_the_page_are_sent(path: str) -> None:
    """There is no way from Swagger UI's files to others."""
    read_problem(answer(get(path)), NotFoundError)


@pytest.mark.parametrize("path", ["/redoc", "/docs/oauth2-redirect"])
def test_there_is_one_documentation(path: str) -> None:
    """FastAPI's other pages, which load from a CDN, are off."""
    assert answer(get(path)).status_code == 404
