"""Answers that come before the whole body: what still comes is dropped, within bounds."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.api.http import request_context
from app.errors import NotFoundError, PayloadTooLargeError
from app.prediction.predictor import Predictor
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, MAX_BYTES, URL, open_predictor
from tests.support.problems import read_problem
from tests.support.raw_requests import BOUNDARY, PART
from tests.support.uploads import encode_grey, make_upload

_PIECE = 1000
_BOUND = 500_000


class Body:
    """A form whose one part has a length in bytes, sent in pieces.

    Attributes:
        sent: bytes of it that were taken.
        held: bytes that the service held at the last of them.
    """

    def __init__(self, length: int, predictor: Predictor, pause_s: float = 0) -> None:
        self.sent = 0
        self.held = 0
        self._length = length
        self._predictor = predictor
        self._pause_s = pause_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the pieces."""
        yield PART
        while self.sent < self._length:
            await asyncio.sleep(self._pause_s)
            self.sent += _PIECE
            self.held = self._predictor.admission.bytes
            yield bytes(_PIECE)

    def make(self, path: str, *, announced: bool) -> httpx.Request:
        """Make a request of it."""
        headers = {"Content-Type": BOUNDARY}
        if announced:
            headers["Content-Length"] = str(len(PART) + self._length)
        return httpx.Request("POST", URL + path, content=aiter(self), headers=headers)


@pytest.fixture(autouse=True)
def _lingers(monkeypatch: pytest.MonkeyPatch, _closes_at_once: None) -> None:
    """Read up to half a megabyte after an early answer, however long it takes."""
    monkeypatch.setattr(request_context, "MAX_LINGER_BYTES", _BOUND)
    monkeypatch.setattr(request_context, "LINGER_S", 60.0)


@pytest.mark.parametrize("announced", [True, False])
async def test_what_comes_after_the_answer_is_read_and_dropped(*, announced: bool) -> None:
    """So the client can send all of it, and then read; none of it is held."""
    predictor = Predictor(FakeBackend(), LIMITS)
    body = Body(4 * MAX_BYTES, predictor)
    async with open_predictor(predictor) as client:
        response = await client.send(body.make("/predict", announced=announced))
    read_problem(response, PayloadTooLargeError)
    assert response.headers["connection"] == "close"
    assert (body.sent, body.held) == (4 * MAX_BYTES, 0)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_path_that_reads_no_body_lets_it_come(*, announced: bool) -> None:
    """Whatever answers before the body, the client is not cut off."""
    predictor = Predictor(FakeBackend(), LIMITS)
    body = Body(MAX_BYTES // 2, predictor)
    async with open_predictor(predictor) as client:
        response = await client.send(body.make("/nothing", announced=announced))
    read_problem(response, NotFoundError)
    assert body.sent == MAX_BYTES // 2


@pytest.mark.parametrize("announced", [True, False])
async def test_no_more_is_read_than_a_bound(*, announced: bool) -> None:
    """A client that never stops is cut off."""
    predictor = Predictor(FakeBackend(), LIMITS)
    body = Body(100 * _BOUND, predictor)
    async with open_predictor(predictor) as client:
        response = await client.send(body.make("/predict", announced=announced))
    read_problem(response, PayloadTooLargeError)
    assert _BOUND - _PIECE <= body.sent <= _BOUND + 4 * MAX_BYTES


async def test_no_longer_is_read_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one that sends slowly keep its connection."""
    monkeypatch.setattr(request_context, "LINGER_S", 0.5)
    predictor = Predictor(FakeBackend(), LIMITS)
    body = Body(4 * MAX_BYTES, predictor, pause_s=0.05)
    async with open_predictor(predictor) as client:
        response = await client.send(body.make("/predict", announced=True))
    read_problem(response, PayloadTooLargeError)
    assert 0 < body.sent <= 11 * _PIECE


async def test_so_many_bodies_are_dropped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of requests, none is read further: its connection is closed at once."""
    monkeypatch.setattr(request_context, "LINGERING", asyncio.Semaphore(2))
    predictor = Predictor(FakeBackend(), LIMITS)
    bodies = [Body(4 * MAX_BYTES, predictor) for _ in range(5)]
    async with open_predictor(predictor) as client:
        sent = (client.send(body.make("/predict", announced=True)) for body in bodies)
        for response in await asyncio.gather(*sent):
            read_problem(response, PayloadTooLargeError)
    assert sorted(body.sent for body in bodies) == [0, 0, 0, 4 * MAX_BYTES, 4 * MAX_BYTES]
    assert not request_context.LINGERING.locked()


async def test_a_body_that_was_read_keeps_its_connection() -> None:
    """Answers to whole requests close nothing."""
    async with open_predictor(Predictor(FakeBackend(), LIMITS)) as client:
        for upload in (encode_grey(), b"no image"):
            response = await client.send(make_upload(upload, url=URL))
            assert "connection" not in response.headers
