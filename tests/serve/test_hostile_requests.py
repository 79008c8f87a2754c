"""Requests made to exhaust: forms of 10,000 parts, floods of headers, a body of a gigabyte."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from app.errors import (
    ImageTooLargeError,
    InvalidRequestError,
    ProblemError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
)
from tests.support import bombs
from tests.support.problems import read_problem
from tests.support.processes import Growth, list_lasting
from tests.support.raw_requests import (
    BOUNDARY,
    PART,
    assert_answers_on,
    make_head,
    read_queue,
    send,
    send_raw,
)
from tests.support.service import SEVEN, Service
from tests.support.uploads import encode_grey, make_upload

_GIGABYTE = 1_000_000_000
_GROWTH = 100_000_000
"""Bytes by which no process may grow, whatever is sent."""

_PIECE = bytes(1_000_000)
_FIELD = b'--cut\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n'


@pytest.fixture(autouse=True)
def _answers_on(service: Service) -> Iterator[None]:
    """After whatever a test sends, the same processes answer, and none of them has grown large."""
    before, growth = list_lasting(service), Growth(service)
    yield
    assert_answers_on(service)
    assert list_lasting(service).keys() >= before.keys()
    assert growth.read() <= _GROWTH


def _nest(depth: int) -> bytes:
    """Put forms into forms."""
    inner = SEVEN.read_bytes()
    for level in range(depth):
        mark = b"level%d" % level
        inner = b"--%s\r\nContent-Type: multipart/mixed\r\n\r\n%s\r\n--%s--\r\n" % (
            mark,
            inner,
            mark,
        )
    return PART + inner + b"\r\n--cut--\r\n"


_FORMS: dict[str, tuple[bytes, type[ProblemError]]] = {
    "10,000 fields": (b"".join(_FIELD % b"a" for _ in range(10_000)), InvalidRequestError),
    "10,000 files": ((PART + b"x\r\n") * 10_000 + b"--cut--\r\n", InvalidRequestError),
    "100,000 headers": (PART[:-2] + b"A: b\r\n" * 100_000, InvalidRequestError),
    "endless header": (PART[:-2] + b"A: " + b"b" * 5_000_000, InvalidRequestError),
    "name of 100 kB": (_FIELD % (b"n" * 100_000), InvalidRequestError),
    "file name of 100 kB": (PART.replace(b"a.png", b"n" * 100_000), InvalidRequestError),
    "field of 1 MB": (_FIELD.replace(b"x", b"x" * 10**6) % b"a", InvalidRequestError),
    "no end": (PART + SEVEN.read_bytes(), InvalidRequestError),
    "nested": (_nest(200), UnsupportedMediaTypeError),
    "almost boundaries": (
        PART + b"\r\n--cuT" * 500_000 + b"\r\n--cut--\r\n",
        UnsupportedMediaTypeError,
    ),
}
"""Bodies by name, and the error that each gets."""


@pytest.mark.parametrize("name", _FORMS)
def test_a_form_made_to_exhaust_is_refused(service: Service, name: str) -> None:
    """It gets a typed error within seconds."""
    body, error = _FORMS[name]
    started = time.monotonic()
    headers = {"Content-Type": BOUNDARY}
    response = send(httpx.Request("POST", f"{service.url}/predict", content=body, headers=headers))
    read_problem(response, error)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-{number}: a" for number in range(90)],
        [f"X-{number}: a" for number in range(1000)],
        [f"X-{number}: {'a' * 1000}" for number in range(10_000)],
        [f"Cookie: {'a=b; ' * 10_000}"],
        ["X" * 100_000 + ": a"],
    ],
    ids=["90", "1,000", "10 MB", "cookies", "name of 100 kB"],
)
def test_a_flood_of_headers_is_answered_or_refused(service: Service, headers: list[str]) -> None:
    """As many as a browser sends are read; a flood is refused as the client's error."""
    try:
        answer = send_raw(service, make_head("GET /livez", *headers))
    except ConnectionError:  # the proxy has heard enough, and says so by a reset
        return
    assert answer.split(b" ")[1] in {b"200", b"400", b"431"}
    assert (answer.split(b" ")[1] == b"200") or len(headers) != 90


def _send_gigabyte(service: Service, head: bytes, end: bytes) -> tuple[bytes, int]:
    """Send up to a gigabyte, until the service hangs up; gives its answer and the bytes sent."""
    sent = 0
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        with suppress(ConnectionError):
            connection.sendall(head + (b"%x\r\n%s\r\n" % (len(PART), PART) if end else PART))
            while sent < _GIGABYTE:
                connection.sendall(b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE) if end else _PIECE)
                sent += len(_PIECE)
            connection.sendall(end)
        answer = b""
        with suppress(ConnectionError):
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer, sent


@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "chunked"])
def test_a_gigabyte_is_refused_and_never_held(service: Service, *, is_announced: bool) -> None:
    """It is refused by its length, or when it is too long; a client that reads is told so.

    What is read goes to a file, and little is received ahead of that.
    """
    growth = Growth(service)
    length = f"Content-Length: {_GIGABYTE}" if is_announced else "Transfer-Encoding: chunked"
    head = make_head("POST /predict", length, f"Content-Type: {BOUNDARY}")
    started = time.monotonic()
    answer, sent = _send_gigabyte(service, head, b"" if is_announced else b"0\r\n\r\n")
    assert time.monotonic() - started < 40
    if answer:
        assert b"urn:vitrine:problem:payload-too-large" in answer, answer
    assert answer or sent < _GIGABYTE
    assert growth.read() < 30_000_000


def test_a_gigabyte_is_told_its_limit_at_once(service: Service) -> None:
    """A client that waits for an answer after its headers need not send anything."""
    head = make_head("POST /predict", f"Content-Length: {_GIGABYTE}", f"Content-Type: {BOUNDARY}")
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(head)
        answer = b""
        while b"}" not in answer:  # head and body may come apart, and the connection stays open
            answer += connection.recv(65536) or b"}"
    assert answer.split(b" ")[1] == b"413"
    assert b"urn:vitrine:problem:payload-too-large" in answer


@pytest.mark.parametrize("name", ["PNG pixels", "TIFF EXIF", "TIFF tiles", "GIF frames"])
def test_a_bomb_is_answered(service: Service, name: str) -> None:
    """What a bomb does to its reader is told in a typed answer, as without a service."""
    response = send(make_upload(bombs.BOMBS[name](), url=service.url))
    if response.status_code != 200:
        error = ImageTooLargeError if response.status_code == 413 else UndecodableImageError
        read_problem(response, error)


def test_uploads_on_their_way_take_no_slot(service: Service) -> None:
    """A hundred clients that have sent half of an image keep nobody from an answer."""
    half = make_head("POST /predict", "Content-Length: 200000", f"Content-Type: {BOUNDARY}")
    with ExitStack() as clients:
        for _ in range(100):
            client = socket.create_connection(("127.0.0.1", service.port), timeout=30)
            clients.enter_context(client).sendall(half + PART + bytes(100_000))
        time.sleep(1)
        assert read_queue(service).bytes >= 100 * 50_000
        for _ in range(5):
            assert_answers_on(service)


def test_clients_that_leave_free_their_slots(service: Service) -> None:
    """Their images are not classified when their turn has not come, and this is counted."""
    before = read_queue(service)
    data = PART + encode_grey(128, (5000, 4000), "JPEG") + b"\r\n--cut--\r\n"
    head = make_head("POST /predict", f"Content-Length: {len(data)}", f"Content-Type: {BOUNDARY}")
    with ExitStack() as clients:
        for _ in range(40):
            client = socket.create_connection(("127.0.0.1", service.port), timeout=30)
            clients.enter_context(client).sendall(head + data)
        deadline = time.monotonic() + 30
        while read_queue(service).images < 5:
            assert time.monotonic() < deadline
    while (
        (queue := read_queue(service)).images or queue.bytes or queue.cancelled == before.cancelled
    ):
        assert time.monotonic() < deadline, queue
        time.sleep(0.1)
    assert 5 <= queue.cancelled - before.cancelled <= 40


async def _stay_while_others_leave(service: Service, count: int) -> list[int]:
    """Send requests until `count` others have been cancelled; gives the statuses of the answers."""
    statuses: list[int] = []
    left = 0

    async def stay() -> None:
        while left < count or len(statuses) < count:
            response = await client.send(make_upload(SEVEN.read_bytes(), url=service.url))
            statuses.append(response.status_code)

    async def leave(delay_s: float) -> None:
        nonlocal left
        while left < count:
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await client.send(make_upload(SEVEN.read_bytes(), url=service.url))
                continue
            left += 1

    async with httpx.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(stay())
            group.create_task(leave(0.003 * (number + 1)))
    return statuses


def test_clients_that_leave_take_no_answer_from_others(service: Service) -> None:
    """Images of different clients share a group, and it is answered when some have disconnected."""
    assert set(asyncio.run(_stay_while_others_leave(service, 100))) == {200}
