"""Around every request: its id, its log line, and clients that go away."""

import asyncio
import json
import re
from collections.abc import Awaitable, Iterator
from dataclasses import replace

import httpx
import pytest

from app.backend import Group, Scored
from app.errors import InvalidRequestError
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, URL, answer, get, open_client
from tests.support.log_lines import collect_lines
from tests.support.problems import read_problem
from tests.support.uploads import encode_grey, make_upload


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """Collect what is logged, whatever else is done with it."""
    with collect_lines() as values:
        yield values


class FaultyBackend(FakeBackend):
    """A classifier with a defect."""

    async def predict(self, group: Group) -> Scored:
        """Raise what is none of our errors."""
        raise ZeroDivisionError(len(group.pixels))


@pytest.mark.parametrize("wanted", ["abc-1", "A.b_c~9", "0" * 128])
def test_a_client_may_name_its_request(wanted: str) -> None:
    """A short and plain X-Request-ID comes back as it is."""
    response = answer(get("/livez", {"X-Request-ID": wanted}))
    assert response.headers.get_list("x-request-id") == [wanted]


@pytest.mark.parametrize("wanted", ["", "0" * 129, "a b", 'a"b', "<script>", "a\tb", "%0d%0aX: 1"])
def test_an_unsafe_id_is_replaced(wanted: str) -> None:
    """Anything else in X-Request-ID never comes back: an id is made, and used throughout."""
    response = answer(get("/livez", {"X-Request-ID": wanted}))
    (given,) = response.headers.get_list("x-request-id")
    assert re.fullmatch("[0-9a-f]{32}", given)
    refused = answer(httpx.Request("POST", f"{URL}/predict", headers={"X-Request-ID": wanted}))
    assert read_problem(refused, InvalidRequestError).instance != wanted


def test_every_request_has_its_own_id() -> None:
    """Two requests without an id get two."""
    first, second = (answer(get("/livez")).headers["x-request-id"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/livez"), 200),
        (get("/nothing"), 404),
        (make_upload(b"", url=URL), 422),
        (make_upload(encode_grey(), url=URL), 200),
    ],
    ids=["livez", "nothing", "empty", "good"],
)
def test_a_request_is_one_line(
    lines: list[dict[str, object]], request_: httpx.Request, status: int
) -> None:
    """One line a request: method, path, status, duration and the id that the client got."""
    response = answer(request_)
    (line,) = lines
    assert (line["logger"], line["level"]) == ("vitrine.access", "info")
    assert (line["method"], line["path"]) == (request_.method, request_.url.path)
    assert line["status"] == response.status_code == status
    assert line["request_id"] == response.headers["x-request-id"]
    assert isinstance(line["duration_ms"], float)


def test_a_query_is_not_logged(lines: list[dict[str, object]]) -> None:
    """A line has the path and never the query, where clients put what they should not."""
    answer(get("/labels?key=hunter2"))
    assert "hunter2" not in json.dumps(lines)


def test_a_path_cannot_forge_a_line(lines: list[dict[str, object]]) -> None:
    """Line breaks and escape sequences in a path are written in a form that does nothing."""
    answer(get("/a%0a12:00:00%20INFO%20forged%1b[31m"))
    (line,) = lines
    assert str(line["message"]).isprintable()


def test_a_defect_is_logged_with_its_traceback(lines: list[dict[str, object]]) -> None:
    """What the client is not told, the log tells, under the same id."""
    response = answer(make_upload(encode_grey(), url=URL), FaultyBackend())
    assert response.status_code == 500
    error, access = lines
    assert "ZeroDivisionError" in str(error["traceback"])
    assert error["request_id"] == access["request_id"] == response.headers["x-request-id"]
    assert access["status"] == 500


async def test_a_client_that_disconnects_frees_its_slot(lines: list[dict[str, object]]) -> None:
    """A request that is cancelled while the model works is logged as 499 and holds no slot."""
    backend = FakeBackend()
    backend.hang()
    async with open_client(backend, replace(LIMITS, max_queue=1)) as client:
        cancelled = asyncio.create_task(client.send(make_upload(encode_grey(), url=URL)))
        await asyncio.sleep(0.05)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        backend.resume()
        result = await client.send(make_upload(encode_grey(), url=URL))
    assert result.status_code == 200
    assert [line["status"] for line in lines] == [499, 200]


def test_a_client_that_goes_away_in_its_upload_is_logged_as_499(
    lines: list[dict[str, object]],
) -> None:
    """A body that ends because the client disconnected is no error of anyone's."""

    async def hang_up() -> None:
        async with open_client(FakeBackend()) as client:
            app = client._transport.app  # type: ignore[attr-defined] # noqa: SLF001
            begun: dict[str, object] = {
                "type": "http.request",
                "body": b"--cut\r\n",
                "more_body": True,
            }
            disconnect: dict[str, object] = {"type": "http.disconnect"}
            messages = iter([begun, disconnect])
            await app(_make_scope(), lambda: _next(messages), _ignore)

    asyncio.run(hang_up())
    assert [(line["level"], line["status"]) for line in lines] == [("info", 499)]


def test_the_body_of_a_client_that_has_gone_is_not_read(lines: list[dict[str, object]]) -> None:
    """Where another has hung up, a request waits until it would be known that its client has."""

    async def count_read() -> int:
        backend, read = FakeBackend(), 0
        backend.hang()
        async with open_client(backend) as client:
            app = client._transport.app  # type: ignore[attr-defined] # noqa: SLF001

            async def receive() -> dict[str, object]:
                nonlocal read
                read += 1
                return {"type": "http.disconnect"}

            async def leave(seconds: float, request: Awaitable[object]) -> None:
                asked = asyncio.ensure_future(request)
                await asyncio.wait([asked], timeout=seconds)
                asked.cancel()
                await asyncio.wait([asked])

            await leave(0.05, client.send(make_upload(encode_grey(), url=URL)))
            await leave(0, app(_make_scope(), receive, _ignore))
        return read

    assert asyncio.run(count_read()) == 0
    assert [line["status"] for line in lines] == [499, 499]


def _make_scope() -> dict[str, object]:
    """Make the scope of an upload."""
    return {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "query_string": b"",
        "headers": [
            (b"content-type", b"multipart/form-data; boundary=cut"),
            (b"transfer-encoding", b"chunked"),
        ],
    }


async def _next(messages: Iterator[dict[str, object]]) -> dict[str, object]:
    return next(messages)


async def _ignore(_: dict[str, object]) -> None:
    return None
