"""Which pages of other origins may call from a browser."""

import asyncio

import httpx
import pytest

from app.auth.keys import parse_keys
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import open_client
from tests.support.log_lines import collect_lines

KEY = "ann-knows-this-key"
KEYS = parse_keys(f"ann:{KEY}")
ORIGIN = "https://app.example"


def ask_from_page(method: str, headers: dict[str, str], *origins: str) -> httpx.Response:
    """Let an app with keys and origins answer a page of ORIGIN."""

    async def send() -> httpx.Response:
        async with open_client(FakeBackend(), keys=KEYS, cors_origins=origins) as client:
            return await client.request(method, "/labels", headers={"Origin": ORIGIN, **headers})

    return asyncio.run(send())


def test_pages_of_other_origins_may_not_call() -> None:
    """Without VITRINE_CORS_ORIGINS no header lets a browser hand an answer to a page."""
    response = ask_from_page("GET", {"X-API-Key": KEY})
    assert response.status_code == 200
    assert not any(name.startswith("access-control") for name in response.headers)


@pytest.mark.parametrize("origin", [ORIGIN, "*"])
def test_pages_of_listed_origins_may_call(origin: str) -> None:
    """A listed origin is let in, errors included, and reads the headers that it needs."""
    for key, status in ((KEY, 200), ("wrong", 401)):
        response = ask_from_page("GET", {"X-API-Key": key}, "https://other.example", origin)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == origin
        assert "X-Request-ID" in response.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "x-request-timeout-seconds"])
def test_a_browser_asks_first_without_a_key(header: str) -> None:
    """A preflight never has a key: it is answered, for what the API has, and not logged."""
    headers = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": header}
    with collect_lines() as lines:
        response = ask_from_page("OPTIONS", headers, ORIGIN)
    assert lines == []
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN


def test_a_page_of_another_origin_is_told_no() -> None:
    """An origin that is not listed gets no leave, before or with the answer."""
    headers = {"Access-Control-Request-Method": "POST"}
    first = ask_from_page("OPTIONS", headers, "https://other.example")
    second = ask_from_page("GET", {"X-API-Key": KEY}, "https://other.example")
    assert first.status_code == 400
    assert all("access-control-allow-origin" not in one.headers for one in (first, second))
