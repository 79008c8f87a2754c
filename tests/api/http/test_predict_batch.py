"""Many images in one request: each its own answer, in order or as they finish."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import httpx
import pytest
from starlette.types import ASGIApp, Message

from app.api.http.factory import create_app
from app.api.services import build_services
from app.backend import Description
from app.errors import (
    CheckpointError,
    DeadlineExceededError,
    InvalidRequestError,
    ModelUnavailableError,
    PayloadTooLargeError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
)
from app.prediction.bulk import classify_each
from app.prediction.predictor import Predictor
from schemas import BulkItem, BulkResponse, PredictOptions
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, URL, answer, open_client
from tests.support.problems import read_problem
from tests.support.uploads import BAD_OPTIONS, encode_grey, make_upload

NDJSON = {"Accept": "application/x-ndjson"}
SMALL = replace(LIMITS, max_queue=2)
"""Limits with fewer slots than a bulk request has images."""

LEVELS = [0, 64, 128, 192, 255]


def send_files(
    images: Sequence[bytes], query: str = "", headers: dict[str, str] | None = None
) -> httpx.Request:
    """Send the images as a form."""
    files = [("files", (f"{index}.png", data)) for index, data in enumerate(images)]
    url = f"{URL}/predict/batch?{query}"
    return httpx.Request("POST", url, files=files, headers=headers)


def send_json(
    images: Sequence[bytes], query: str = "", headers: dict[str, str] | None = None
) -> httpx.Request:
    """Send the images as a list of base64."""
    body = {"images": [{"image": base64.b64encode(data).decode()} for data in images]}
    url = f"{URL}/predict/batch/json?{query}"
    return httpx.Request("POST", url, json=body, headers=headers)


Send = Callable[..., httpx.Request]
ROUTES: Final[dict[str, Send]] = {"form": send_files, "json": send_json}
ANY = pytest.mark.parametrize("send", ROUTES.values(), ids=ROUTES)


def read_results(response: httpx.Response) -> list[BulkItem]:
    """Read the items of an answer; their order must be that of the request."""
    assert response.status_code == 200, response.text
    items = BulkResponse.model_validate_json(response.content).results
    assert [item.index for item in items] == list(range(len(items)))
    return items


def read_lines(response: httpx.Response) -> list[BulkItem]:
    """Read the items of a stream."""
    assert response.headers["content-type"].startswith("application/x-ndjson")
    return [BulkItem.model_validate_json(line) for line in response.text.splitlines()]


@ANY
def test_each_image_gets_the_answer_that_it_gets_alone(send: Send) -> None:
    """More of them than a batch has, with the options of the query."""
    images = [encode_grey(level) for level in LEVELS * 3]
    query = "top_k=2&logits=true"
    alone = [answer(make_upload(data, query, url=URL)).json() for data in images]
    body = answer(send(images, query)).json()
    assert [item["result"] for item in body["results"]] == alone
    assert not any("problem" in item for item in body["results"])


@ANY
@pytest.mark.parametrize("headers", [{}, NDJSON], ids=["list", "stream"])
def test_one_bad_image_fails_alone(send: Send, headers: dict[str, str]) -> None:
    """31 predictions and 1 problem, which has its index and the request's id."""
    images = [encode_grey(level) for level in range(0, 256, 8)]
    images[7] = images[7][:-30]
    response = answer(send(images, "", {**headers, "X-Request-ID": "bulk"}), limits=SMALL)
    items = read_lines(response) if headers else read_results(response)
    bad = [item for item in items if item.problem is not None]
    assert len(items) == 32
    assert sorted(item.index for item in items) == list(range(32))
    assert [(item.index, item.result) for item in bad] == [(7, None)]
    assert bad[0].problem is not None
    assert bad[0].problem.type.endswith(UndecodableImageError.type)
    assert bad[0].problem.instance == "bulk"


async def test_items_stream_as_they_finish() -> None:
    """The bad image does not wait for the good ones; the connection stays open for them."""
    backend = FakeBackend()
    async with open_client(backend) as client:
        await client.get("/labels")
        backend.hang()
        app = client._transport.app  # type: ignore[attr-defined] # noqa: SLF001
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        request = send_files([encode_grey(), b"", encode_grey(0)], "", NDJSON)
        asked = asyncio.create_task(_ask(app, request, lines))
        first = BulkItem.model_validate_json(await asyncio.wait_for(lines.get(), 10))
        assert lines.empty()
        backend.resume()
        await asked
    items = [lines.get_nowait() for _ in range(lines.qsize())]
    rest = [BulkItem.model_validate_json(line) for line in items]
    assert (first.index, first.result) == (1, None)
    assert sorted(item.index for item in rest) == [0, 2]


@pytest.mark.parametrize(
    ("headers", "lines_read"),
    [({}, 0), (NDJSON, 2), (NDJSON, 1)],
    ids=["list", "stream", "stream that is not read"],
)
async def test_a_client_that_leaves_frees_all_its_slots(
    headers: dict[str, str], lines_read: int
) -> None:
    """Nothing of its request goes on, whether a line is awaited or being sent."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    app = create_app(build_services(predictor))
    await predictor.describe()
    backend.hang()
    before = asyncio.all_tasks()
    request = send_files([b"", b"", *[encode_grey()] * 6], "", headers)
    lines: asyncio.Queue[bytes] = asyncio.Queue(lines_read)
    asked = asyncio.create_task(_ask(app, request, lines))
    await backend.wait_for_groups(1)
    await asyncio.sleep(0.1)
    assert lines.qsize() == lines_read
    asked.cancel()
    await asyncio.wait([asked])
    await asyncio.sleep(0.05)
    admission = predictor.admission
    found = admission.images, admission.bytes, asyncio.all_tasks() - before
    backend.resume()
    assert found == (0, 0, set())


async def test_who_reads_slowly_is_read_slowly() -> None:
    """Of a stream whose lines are not read, no more images are read than a batch has."""
    taken = 0

    async def read() -> bytes:
        nonlocal taken
        taken += 1
        return encode_grey()

    predictor = Predictor(FakeBackend(), LIMITS)
    deadline = asyncio.get_running_loop().time() + 20
    outcomes = classify_each(predictor, [read] * 64, PredictOptions(), deadline)
    async with aclosing(outcomes):
        await anext(outcomes)
        await asyncio.sleep(0.2)
        held = taken
        assert len([outcome async for outcome in outcomes]) == 63
    assert held <= LIMITS.batch_size
    assert taken == 64


async def test_what_is_not_scored_in_time_gets_that_problem() -> None:
    """The others keep their answers."""
    backend = FakeBackend()
    async with open_client(backend) as client:
        await client.get("/labels")
        backend.hang()
        headers = {"X-Request-Timeout-Seconds": "0.2"}
        result = await client.send(send_files([encode_grey(), b""], "", headers))
    problems = [item.problem for item in read_results(result)]
    assert [problem and problem.status for problem in problems] == [
        DeadlineExceededError.status,
        UndecodableImageError.status,
    ]


async def test_a_stream_goes_on_to_its_end_when_time_is_up() -> None:
    """What is not scored by then gets that problem; the server meanwhile listens for a hang-up."""
    backend = FakeBackend()
    async with open_client(backend) as client:
        await client.get("/labels")
        backend.hang()
        headers = {**NDJSON, "X-Request-Timeout-Seconds": "0.2"}
        request = send_files([encode_grey(), b""], "", headers)
        app = client._transport.app  # type: ignore[attr-defined] # noqa: SLF001
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        await _ask(app, request, lines)
        result = [lines.get_nowait() for _ in range(lines.qsize())]
    items = [BulkItem.model_validate_json(line) for line in result]
    statuses = {item.index: item.problem and item.problem.status for item in items}
    assert statuses == {0: DeadlineExceededError.status, 1: UndecodableImageError.status}


class UnreadableBackend(FakeBackend):
    """A classifier whose checkpoint cannot be read."""

    async def describe(self) -> Description:
        """Fail as a replica does that cannot start."""
        raise CheckpointError("config.json is missing.")


@ANY
def test_a_checkpoint_that_cannot_be_read_is_a_model_that_is_unavailable(send: Send) -> None:
    """As for one image alone."""
    response = answer(send([encode_grey()] * 2), UnreadableBackend())
    assert "config.json" in read_problem(response, ModelUnavailableError).detail


@pytest.mark.parametrize(
    "body",
    [
        b'{"images":[' + b"0," * 200_000 + b"0]}",
        b'{"images":[' + b'{"x":0},' * 60_000 + b"0]}",
        b"{" + b",".join(b'"a%d":0' % number for number in range(80_000)) + b"}",
    ],
    ids=["numbers", "objects", "fields"],
)
def test_many_errors_are_told_in_few_words(body: bytes) -> None:
    """A short request costs neither time nor a long answer."""
    headers = {"Content-Type": "application/json"}
    limits = replace(LIMITS, max_bytes=1_000_000)
    started = time.process_time()
    for path in ("/predict/batch/json", "/predict/json"):
        request = httpx.Request("POST", URL + path, content=body, headers=headers)
        response = answer(request, limits=limits)
        assert len(read_problem(response, InvalidRequestError).detail) <= 1000
    assert time.process_time() - started < 2


@ANY
@pytest.mark.parametrize("count", [0, 65])
def test_too_many_images_or_none_are_an_invalid_request(send: Send, count: int) -> None:
    """A list has at most `VITRINE_MAX_BULK`; a form without files has no boundary either."""
    if send is send_files and not count:
        request = httpx.Request("POST", f"{URL}/predict/batch", files={"file": b""})
        assert "files" in read_problem(answer(request), InvalidRequestError).detail
        return
    problem = read_problem(answer(send([b""] * count)), InvalidRequestError)
    assert f"{count} images; send 1 to 64" in problem.detail


@ANY
@pytest.mark.parametrize("query", BAD_OPTIONS)
def test_a_bad_option_is_no_well_formed_request(send: Send, query: str) -> None:
    """Those that the model knows alone are told of each image."""
    response = answer(send([encode_grey()], query))
    if response.status_code == 200:
        assert query == "top_k=99"
        (item,) = read_results(response)
        assert item.problem is not None
        assert "top_k" in item.problem.detail
    else:
        assert BAD_OPTIONS[query] in read_problem(response, InvalidRequestError).detail


def test_base64_that_is_none_fails_alone() -> None:
    """As any other bad image."""
    body = {"images": [{"image": base64.b64encode(encode_grey()).decode()}, {"image": "no!"}]}
    request = httpx.Request("POST", f"{URL}/predict/batch/json", json=body)
    good, bad = read_results(answer(request))
    assert good.result is not None
    assert bad.problem is not None
    assert "base64" in bad.problem.detail


@pytest.mark.parametrize("body", [{}, {"images": "a"}, {"images": ["a"]}, ["a"], {"image": "a"}])
def test_json_of_another_shape_is_an_invalid_request(body: object) -> None:
    """The whole request is refused."""
    request = httpx.Request("POST", f"{URL}/predict/batch/json", json=body)
    assert "body" in read_problem(answer(request), InvalidRequestError).detail


@pytest.mark.parametrize("path", ["/predict/batch", "/predict/batch/json"])
def test_all_images_together_have_a_limit(path: str) -> None:
    """A mebibyte for each of `VITRINE_MAX_BULK`."""
    headers = {"Content-Length": str(65 << 20), "Content-Type": "application/json"}
    request = httpx.Request("POST", URL + path, headers=headers)
    read_problem(answer(request), PayloadTooLargeError)


def test_a_list_comes_as_json() -> None:
    """And as nothing else."""
    request = httpx.Request(
        "POST", f"{URL}/predict/batch/json", content=json.dumps({"images": []}).encode()
    )
    read_problem(answer(request), UnsupportedMediaTypeError)


async def _ask(app: ASGIApp, request: httpx.Request, lines: asyncio.Queue[bytes]) -> None:
    """Let the app answer, and put the body on a queue as it comes."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": request.url.path,
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
    }
    body = iter([{"type": "http.request", "body": request.read()}])

    async def receive() -> Message:
        for message in body:
            return message
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        if message.get("body"):
            await lines.put(message["body"])

    await app(scope, receive, send)
