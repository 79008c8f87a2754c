"""GET / and /docs: Swagger UI from this service alone."""

import re
from urllib.parse import urljoin, urlsplit

import pytest

from tests.api.door import URL, answer, get


def list_references(html: str) -> list[str]:
    """List what a page loads, as written."""
    attributes = re.findall(r"""(?:src|href)=["']([^"']+)""", html)
    return [*attributes, *re.findall(r"""url: ["']([^"']+)""", html)]


def test_the_root_leads_to_the_docs() -> None:
    """A browser that opens the service ends at its docs."""
    response = answer(get("/"))
    assert response.is_redirect
    assert urlsplit(response.headers["location"]).path == "/docs"


@pytest.mark.filterwarnings("ignore:open_binary is deprecated")  # in fastapi-swagger
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


@pytest.mark.parametrize("path", ["/redoc", "/docs/oauth2-redirect"])
def test_there_is_one_documentation(path: str) -> None:
    """FastAPI's other pages, which load from a CDN, are off."""
    assert answer(get(path)).status_code == 404
