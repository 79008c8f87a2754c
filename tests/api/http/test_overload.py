"""Overload and deadlines: what is refused, when, and that nothing is kept."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from app.api.http import request_context
from app.api.http.request_headers import MOVED_TIMEOUT, TIMEOUT
from app.api.http.serve_headers import list_middlewares
from app.errors import DeadlineExceededError, InvalidRequestError, OverloadedError
from app.prediction.predictor import Predictor
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, URL, answer, open_client, open_predictor
from tests.support.problems import read_problem
from tests.support.uploads import encode_grey, make_upload

_GOOD = encode_grey()


async def stream(body: bytes, pause_s: float) -> AsyncIterator[bytes]:
    """Send a body piece by piece, as a slow client does."""
    for start in range(0, len(body), 100):
        yield body[start : start + 100]
        await asyncio.sleep(pause_s)


def make_slow(pause_s: float) -> httpx.Request:
    """Make an upload of unknown length that comes slowly."""
    whole = make_upload(_GOOD, url=URL)
    headers = {"content-type": whole.headers["content-type"]}
    return httpx.Request(
        "POST", f"{URL}/predict", content=stream(whole.read(), pause_s), headers=headers
    )


async def test_at_capacity_the_body_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long body is not read when there is no slot for its image."""
    monkeypatch.setattr(request_context, "MAX_DRAINED_BYTES", 64)
    backend = FakeBackend()
    predictor = Predictor(backend, replace(LIMITS, max_queue=1))
    async with open_predictor(predictor) as client:
        await predictor.describe()
        backend.hang()
        inside = asyncio.create_task(client.send(make_upload(_GOOD, url=URL)))
        await backend.wait_for_groups(1)
        read: list[bytes] = []

        async def tell() -> AsyncIterator[bytes]:
            read.append(b"x")
            yield b"x" * 10

        headers = {
            "content-type": "multipart/form-data; boundary=x",
            "content-length": "65",
        }
        request = httpx.Request("POST", f"{URL}/predict", content=tell(), headers=headers)
        refused = await client.send(request)
        read_problem(refused, OverloadedError)
        assert refused.headers["connection"] == "close"
        assert not read
        backend.resume()
        assert (await inside).status_code == 200
    assert (predictor.admission.images, predictor.admission.refused) == (0, 1)


async def test_what_needs_no_slot_is_answered_at_capacity() -> None:
    """Labels and liveness are told whatever waits."""
    backend = FakeBackend()
    predictor = Predictor(backend, replace(LIMITS, max_queue=1))
    async with open_predictor(predictor) as client:
        await predictor.describe()
        with predictor.admission.hold_images():
            for path in ("/livez", "/labels", "/openapi.json"):
                assert (await client.get(path)).status_code == 200


async def test_bytes_are_bounded_and_given_back() -> None:
    """Bodies of unknown length are refused when together they are too much, and then forgotten."""
    predictor = Predictor(FakeBackend(), replace(LIMITS, max_queue_bytes=900))
    async with open_predictor(predictor) as client:
        responses = await asyncio.gather(*(client.send(make_slow(0.01)) for _ in range(6)))
        refused = [response for response in responses if response.status_code != 200]
        assert 0 < len(refused) < len(responses)
        for response in refused:
            read_problem(response, OverloadedError)
        assert predictor.admission.bytes == 0
        assert (await client.send(make_slow(0))).status_code == 200


def test_a_body_that_does_not_come_in_time_is_refused() -> None:
    """The time of a request counts from its first byte, not from its last."""
    response = answer(make_slow(0.1), limits=replace(LIMITS, timeout_s=0.2))
    assert "body" in read_problem(response, DeadlineExceededError).detail


@pytest.mark.parametrize("name", [TIMEOUT, MOVED_TIMEOUT])
def test_a_client_may_ask_for_less_time(name: str) -> None:
    """Its own limit counts where it is shorter."""
    backend = FakeBackend()
    backend.hang()
    request = make_upload(_GOOD, headers={name: "0.1"}, url=URL)
    read_problem(answer(request, backend), DeadlineExceededError)


def test_a_client_cannot_ask_for_more_time() -> None:
    """The service's limit stays."""
    backend = FakeBackend()
    backend.hang()
    request = make_upload(_GOOD, headers={TIMEOUT: "3600"}, url=URL)
    read_problem(answer(request, backend, replace(LIMITS, timeout_s=0.1)), DeadlineExceededError)


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "1,5"])
def test_a_time_that_makes_no_sense_is_refused(value: str) -> None:
    """It is said which header is wrong."""
    response = answer(make_upload(_GOOD, headers={TIMEOUT: value}, url=URL))
    assert TIMEOUT in read_problem(response, InvalidRequestError).detail


@pytest.mark.parametrize("value", ["inf", "1e3", "20"])
def test_a_long_time_is_the_limit(value: str) -> None:
    """A client that would wait longer is served as any other."""
    assert answer(make_upload(_GOOD, headers={TIMEOUT: value}, url=URL)).status_code == 200


async def test_a_group_says_how_long_it_is_waited_for() -> None:
    """What the classifier is told is the time that is left of the request's."""
    backend = FakeBackend()
    async with open_client(backend) as client:
        await client.send(make_upload(_GOOD, headers={TIMEOUT: "5"}, url=URL))
    assert 4 < backend.groups[0].timeout_s <= 5


def test_headers_that_serve_obeys_are_out_of_its_way() -> None:
    """The timeout is renamed; what would turn cancellation off, or name a model, is dropped."""
    seen: list[tuple[bytes, bytes]] = []

    async def scenario() -> None:
        async def app(scope: dict[str, list[tuple[bytes, bytes]]], _: object, __: object) -> None:
            seen.extend(scope["headers"])

        (middleware,) = list_middlewares()
        given = [
            (b"x-request-timeout-seconds", b"3"),
            (b"x-request-disconnect-disabled", b"?1"),
            (b"serve_multiplexed_model_id", b"other"),
            (b"serve-multiplexed-model-id", b"other"),
            (b"accept", b"*/*"),
        ]
        wrapped = middleware.cls(app, *middleware.args, **middleware.kwargs)
        await wrapped({"type": "http", "headers": given}, None, None)  # type: ignore[arg-type]

    asyncio.run(scenario())
    assert seen == [(MOVED_TIMEOUT.lower().encode(), b"3"), (b"accept", b"*/*")]


@pytest.mark.parametrize(
    ("headers", "pause_s", "is_kept"),
    [
        ({"content-length": "64"}, 0, True),
        ({"content-length": "65"}, 0, False),
        ({"content-length": "2"}, 0.2, False),
        ({"content-length": "2", "expect": "100-continue"}, 0, False),
        ({"transfer-encoding": "chunked"}, 0, False),
    ],
    ids=["short", "long", "slow", "asked for first", "of unknown length"],
)
async def test_a_connection_serves_on_when_a_short_body_was_refused(
    headers: dict[str, str], pause_s: float, *, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At capacity a short body is read and dropped; else its connection is closed."""
    monkeypatch.setattr(request_context, "DRAIN_TIMEOUT_S", 0.1)
    monkeypatch.setattr(request_context, "MAX_DRAINED_BYTES", 64)
    backend = FakeBackend()
    predictor = Predictor(backend, replace(LIMITS, max_queue=1))
    async with open_predictor(predictor) as client:
        await predictor.describe()
        backend.hang()
        inside = asyncio.create_task(client.send(make_upload(_GOOD, url=URL)))
        await backend.wait_for_groups(1)
        refused = await client.post("/predict", content=stream(b"xx", pause_s), headers=headers)
        read_problem(refused, OverloadedError)
        assert ("connection" not in refused.headers) == is_kept
        backend.resume()
        await inside


async def test_a_wrong_request_is_not_read() -> None:
    """What is refused for its headers closes its connection, whatever its length."""
    async with open_predictor(Predictor(FakeBackend(), LIMITS)) as client:
        headers = {"X-Request-Timeout-Seconds": "never", "content-length": "1"}
        response = await client.post("/predict", content=stream(b"x", 0), headers=headers)
        read_problem(response, InvalidRequestError)
        assert response.headers["connection"] == "close"
