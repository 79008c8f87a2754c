"""Who may come in: API keys."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import pytest

from app.auth.keys import hash_key, parse_keys
from app.errors import PayloadTooLargeError, UnauthorizedError
from tests.api.http.test_page import LOADED
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, MAX_BYTES, URL, get, open_client
from tests.support.log_lines import collect_lines
from tests.support.problems import read_problem
from tests.support.uploads import encode_grey, make_upload

ANN = "ann-knows-this-key"
BOB = "bob-knows-another-one"
KEYS = parse_keys(f"ann:{ANN},bob:{hash_key(BOB)}")

OPEN = ("/", "/livez", "/readyz", "/docs", "/openapi.json", "/v2/health/live", "/v2/health/ready")
CLOSED = (
    ("GET", "/labels"),
    ("GET", "/health"),
    ("GET", "/v2"),
    ("GET", "/v2/health"),
    ("GET", "/v2/models/fake/ready"),
    ("POST", "/v2/models/fake/infer"),
    ("POST", "/predict"),
    ("GET", "/predict"),
    ("OPTIONS", "/labels"),
    ("GET", "/nothing"),
    ("GET", "/docs/x"),
    ("GET", "//livez"),
    ("GET", "/livez/"),
    ("GET", "/LIVEZ"),
)
GOOD = {
    "bearer": {"Authorization": f"Bearer {ANN}"},
    "any case": {"authorization": f"bEARER  {ANN}"},
    "header": {"X-API-Key": ANN},
    "header beside another scheme": {"X-API-Key": ANN, "Authorization": "Basic YTpi"},
}
BAD = {
    "none": {},
    "wrong": {"Authorization": f"Bearer {ANN}x"},
    "wrong header": {"X-API-Key": ANN[:-1]},
    "empty": {"X-API-Key": ""},
    "empty bearer": {"Authorization": "Bearer "},
    "no scheme": {"Authorization": ANN},
    "basic": {"Authorization": "Basic " + base64.b64encode(f"ann:{ANN}".encode()).decode()},
    "hash": {"X-API-Key": hash_key(BOB)},
    "name": {"X-API-Key": "ann"},
    "no text": {"X-API-Key": "\xff" * 20},
    "long": {"X-API-Key": "k" * 60_000},
}


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """Collect what is logged."""
    with collect_lines() as values:
        yield values


def ask(request: httpx.Request, backend: FakeBackend | None = None) -> httpx.Response:
    """Let an app with keys answer one request."""

    async def send() -> httpx.Response:
        async with open_client(backend or FakeBackend(), keys=KEYS) as client:
            return await client.send(request)

    return asyncio.run(send())


@pytest.mark.parametrize("path", OPEN)
def test_some_paths_are_open(path: str) -> None:
    """What an orchestrator asks, and what a person reads before sending a key, needs none."""
    assert ask(get(path)).status_code == 200


def test_the_docs_load_without_a_key() -> None:
    """All that /docs loads is open, so that a person can press Authorize there."""
    references = re.findall(r"""(?:src|href|url)(?:=|: )["']([^"']+)""", ask(get("/docs")).text)
    assert len(references) == 4
    assert {ask(get(reference)).status_code for reference in references} == {200}


@pytest.mark.parametrize("name", [*LOADED, "samples"])
def test_the_page_loads_without_a_key(name: str) -> None:
    """All that the page at / loads is open, so that a person can type a key there."""
    assert ask(get(f"/page/{name}")).status_code == 200


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_all_else_is_closed(method: str, path: str) -> None:
    """Without a key there is no telling what else there is."""
    read_problem(ask(httpx.Request(method, URL + path)), UnauthorizedError)


@pytest.mark.parametrize("headers", GOOD.values(), ids=GOOD)
def test_a_key_opens_the_door(headers: dict[str, str]) -> None:
    """A key counts as Bearer token and in X-API-Key."""
    assert ask(get("/labels", headers)).status_code == 200
    assert ask(make_upload(encode_grey(), "", headers, url=URL)).status_code == 200


@pytest.mark.parametrize("headers", BAD.values(), ids=BAD)
def test_anything_else_does_not(headers: dict[str, str]) -> None:
    """Whatever is wrong, the answer says how to send a key, and nothing of what was sent."""
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    response = ask(httpx.Request("GET", f"{URL}/labels", headers=raw))
    problem = read_problem(response, UnauthorizedError)
    assert ANN[:-1] not in response.text
    assert ("X-API-Key: KEY" in problem.detail) != ("not one of" in problem.detail)


def test_a_second_key_opens_it_too() -> None:
    """Keys stand beside each other, so that one can be changed without a break."""
    assert ask(get("/labels", {"X-API-Key": BOB})).status_code == 200


def test_the_key_is_asked_for_before_the_body_is_read() -> None:
    """An upload without a key is refused unread, whatever its size; the model hears nothing."""
    sent = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10 * MAX_BYTES:
            sent += 1000
            yield bytes(1000)

    backend = FakeBackend()
    response = ask(httpx.Request("POST", f"{URL}/predict", content=stream()), backend)
    read_problem(response, UnauthorizedError)
    assert response.headers["connection"] == "close"
    assert (sent, backend.groups) == (0, [])


@pytest.mark.parametrize("path", [*OPEN, "/swagger/x", "/page/x"])
def test_an_open_path_reads_no_body(path: str) -> None:
    """What needs no key takes no bytes either, so unauthenticated clients fill nothing there."""
    sent = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10 * MAX_BYTES:
            sent += 1000
            yield bytes(1000)

    for method in ("GET", "POST"):
        ask(httpx.Request(method, URL + path, content=stream()))
    assert sent == 0


def test_an_unauthenticated_client_learns_no_limit() -> None:
    """An upload over the limit, or a wrong header, is told only to those who have a key."""
    upload = make_upload(bytes(10 * MAX_BYTES), url=URL)
    read_problem(ask(upload), UnauthorizedError)
    read_problem(ask(get("/labels", {"X-Request-Timeout-Seconds": "x"})), UnauthorizedError)
    known = make_upload(bytes(10 * MAX_BYTES), "", {"X-API-Key": ANN}, url=URL)
    read_problem(ask(known), PayloadTooLargeError)


async def test_without_keys_everybody_may_come_in() -> None:
    """A key that is not needed does no harm."""
    async with open_client(FakeBackend()) as client:
        result = await client.get("/labels", headers={"X-API-Key": "whatever"})
    assert result.status_code == 200


def test_the_log_has_the_name_and_not_the_key(lines: list[dict[str, object]]) -> None:
    """The line of a request names its key; no line holds one, right or wrong."""
    ask(get("/labels", {"X-API-Key": BOB}))
    ask(get("/labels", {"Authorization": f"Bearer {ANN}x"}))
    ask(get("/livez", {"X-API-Key": ANN}))
    assert [line.get("key_name") for line in lines] == ["bob", None, None]
    assert [line["status"] for line in lines] == [200, 401, 200]
    assert str(lines[0]["message"]).endswith(" ms by bob")
    assert not any(key in json.dumps(lines) for key in (ANN, BOB))


async def test_capacity_is_not_told_to_unauthenticated_clients() -> None:
    """At capacity an unauthenticated client still gets 401, and takes no slot."""
    backend = FakeBackend()
    limits = replace(LIMITS, max_queue=1)
    async with open_client(backend, limits, KEYS) as client:
        await client.get("/readyz")
        backend.hang()
        inside = make_upload(encode_grey(), "", {"X-API-Key": ANN}, url=URL)
        task = asyncio.create_task(client.send(inside))
        await backend.wait_for_groups(2)
        refused = await client.send(make_upload(encode_grey(), url=URL))
        backend.resume()
        refused, answered = [refused, await task]
    read_problem(refused, UnauthorizedError)
    assert answered.status_code == 200
