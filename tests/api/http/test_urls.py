"""Images by URL: they count as if they had come with the request."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from app.api.services import build_services
from app.errors import (
    DeadlineExceededError,
    OverloadedError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from app.fetching.fetcher import FETCHES, Fetcher
from app.fetching.host_rules import HostRules
from app.prediction.admission import Admission
from app.prediction.predictor import Predictor
from schemas import BulkResponse
from tests.fetching.test_fetcher import PUBLIC, Internet, make_answer, open_internet, resolve_to
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, MAX_BYTES, URL, answer, open_services
from tests.support.problems import read_problem
from tests.support.uploads import encode_grey, make_upload

FILES = {
    "/image": make_answer(200, encode_grey()),
    "/page": make_answer(200, b"<!doctype html>"),
    "/slow": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf",
    "/large": make_answer(200, bytes(MAX_BYTES + 1)),
}


@asynccontextmanager
async def open_service(
    max_queue_bytes: int = 1 << 20,
) -> AsyncIterator[tuple[httpx.AsyncClient, Admission, Internet]]:
    """Open a client of a service that fetches; gives its admission, and what it fetches from."""
    limits = replace(LIMITS, max_queue_bytes=max_queue_bytes, batch_size=64)
    async with open_internet(FILES) as internet:
        predictor = Predictor(FakeBackend(), limits)
        addresses = resolve_to(*[PUBLIC] * 100)
        fetcher = Fetcher(HostRules(("cdn.example",)), MAX_BYTES, addresses, internet)
        services = replace(build_services(predictor), fetcher=fetcher)
        async with open_services(services) as client:
            yield client, predictor.admission, internet


def ask(
    path: str, body: object, max_queue_bytes: int = 1 << 20, timeout_s: float = 20
) -> httpx.Response:
    """Send JSON to a service that fetches."""

    async def send() -> httpx.Response:
        async with open_service(max_queue_bytes) as (client, admission, _):
            headers = {"X-Request-Timeout-Seconds": str(timeout_s)}
            answered = await client.post(f"{URL}{path}", json=body, headers=headers)
            assert admission.bytes == 0
            return answered

    return asyncio.run(send())


def test_an_image_by_url_gets_the_answer_of_the_form() -> None:
    """Byte by byte the same."""
    response = ask("/predict/json?top_k=2", {"url": "http://cdn.example/image"})
    assert response.status_code == 200, response.text
    assert response.json() == answer(make_upload(encode_grey(), "top_k=2", url=URL)).json()


def test_what_a_url_names_is_refused_as_an_upload_is() -> None:
    """A page is no image, and a large file is too large."""
    page = ask("/predict/json", {"url": "http://cdn.example/page"})
    assert "text/html" in read_problem(page, UnsupportedMediaTypeError).detail
    read_problem(ask("/predict/json", {"url": "http://cdn.example/large"}), PayloadTooLargeError)


@pytest.mark.parametrize(("room", "fits"), [(10_000, True), (len(encode_grey()), False)])
def test_what_is_fetched_counts_as_buffered_bytes(room: int, *, fits: bool) -> None:
    """As uploads do, beside the request itself; it is given back."""
    response = ask("/predict/json", {"url": "http://cdn.example/image"}, room)
    if fits:
        assert response.status_code == 200
    else:
        read_problem(response, OverloadedError)


def test_a_fetch_has_the_time_of_its_request() -> None:
    """And not its own 10 s where the client has less."""
    answered = ask("/predict/json", {"url": "http://cdn.example/slow"}, timeout_s=0.2)
    read_problem(answered, DeadlineExceededError)


def test_each_url_of_a_list_has_its_own_answer() -> None:
    """One that is refused fails alone."""
    urls = ("cdn.example/image", "other.example/image", "cdn.example/page", "cdn.example/image")
    body = {"images": [{"url": f"http://{url}"} for url in urls]}
    response = ask("/predict/batch/json", body)
    items = BulkResponse.model_validate_json(response.content).results
    statuses = [200 if item.problem is None else item.problem.status for item in items]
    assert statuses == [200, 422, 415, 200]


async def test_slow_urls_of_a_list_keep_no_other_waiting() -> None:
    """A request gets half of the fetches, however many images it names."""
    async with open_service() as (client, _, internet):
        await client.get("/labels")
        slow = {"images": [{"url": "http://cdn.example/slow"}] * 64}
        asked = asyncio.create_task(client.post("/predict/batch/json", json=slow))
        await asyncio.sleep(0.2)
        begun = len(internet.asked)
        started = time.monotonic()
        single = await client.post("/predict/json", json={"url": "http://cdn.example/image"})
        took_s = time.monotonic() - started
        assert single.status_code == 200, single.text
        assert not asked.done()
        asked.cancel()
        await asyncio.wait([asked])
    assert begun == FETCHES // 2
    assert took_s < 2


async def test_what_is_fetched_is_counted_while_it_comes() -> None:
    """Half an image that its host does not go on with has its room until its request is over."""
    async with open_service() as (client, admission, internet):
        await client.get("/labels")
        body = {"url": "http://cdn.example/slow"}
        asked = asyncio.create_task(client.post("/predict/json", json=body))
        await asyncio.sleep(0.2)
        assert len(internet.asked) == 1
        during = admission.bytes
        asked.cancel()
        await asyncio.wait([asked])
        after = admission.bytes
    assert during == len(b'{"url":"http://cdn.example/slow"}half')
    assert after == 0
