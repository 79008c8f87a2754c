"""Answers are read to their end, and broken ones are told from refused connections."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from app.client.connection import Address, Answer
from app.client.pool import CUT_OFF, NO_CONNECTION, Pool
from bench.kit.client import Tally, Target
from bench.kit.generator import keep_busy
from tests.support.ports import find_port
from tests.support.raw_server import always, serve_raw

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
T = TypeVar("T")


@asynccontextmanager
async def serve_answers(*answers: bytes) -> AsyncIterator[int]:
    """Serve on a free port: one answer after another, the last again and again.

    An empty answer, and one that says close, ends its connection.
    """
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(answer := left.pop(0) if len(left) > 1 else left[0])
            if not answer or b"close" in answer or b"half" in answer:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def ask(act: Callable[[Pool], Awaitable[T]], *answers: bytes, resends: bool = False) -> T:
    """Ask a server that gives these answers."""

    async def run() -> T:
        async with serve_answers(*answers) as port:
            pool = Pool(Address(port), 1, resends=resends)
            found = await act(pool)
            pool.close()
            await asyncio.sleep(0.02)
            return found

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (OK, Answer(200, b"ok")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Answer(200, b"ok")),
        (
            OK.replace(b"Content", b"Inference-Header-Content-Length: 1\r\nContent"),
            Answer(200, b"ok"),
        ),
        (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", Answer(304)),
        (
            b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
            Answer(413, b"no", closes=True),
        ),
        (
            b"HTTP/1.0 400 Bad\r\nConnection: close\r\n\r\n<html>",
            Answer(400, b"<html>", closes=True),
        ),
        (b"HTTP/1.1 200\r\n\r\nclose", Answer(200, b"close", closes=True)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Answer(200, b"ok"),
        ),
    ],
)
def test_answers_are_read_to_their_end(sent: bytes, answer: Answer) -> None:
    """By their length, by their status, or by the end of their connection."""
    assert ask(lambda pool: pool.send(REQUEST), sent) == answer


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", CUT_OFF),
        (b"", CUT_OFF),
        (b"SSH-2.0-OpenSSH_9.2\r\n", CUT_OFF),
        (b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhalf", 101),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", CUT_OFF),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nhalf", CUT_OFF),
    ],
)
def test_an_answer_that_breaks_is_none(answer: bytes, status: int) -> None:
    """Whatever had come of it."""
    assert ask(lambda pool: pool.ask(REQUEST), answer) == status


def test_a_refused_connection_is_no_broken_answer() -> None:
    """A service that has stopped refuses connections; that is no request lost."""
    assert asyncio.run(Pool(Address(find_port()), 1).ask(REQUEST)) == NO_CONNECTION


def test_a_connection_that_is_being_closed_is_not_used_again() -> None:
    """`Connection: close` is an answer like any other, and the next request opens a new one."""

    async def run() -> Tally:
        closing = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        async with serve_answers(closing) as port:
            return await keep_busy(Target(Address(port), REQUEST), 2, range(20))

    tally = asyncio.run(run())
    assert (tally.good, tally.failed) == (20, {})


def test_a_kept_connection_that_was_closed_is_opened_anew() -> None:
    """The request is sent once more where that is asked for, and else it is cut off."""

    async def send_two(pool: Pool) -> tuple[int, int, int]:
        return await pool.ask(REQUEST), await pool.ask(REQUEST), pool.resent

    assert ask(send_two, OK, b"", OK, resends=True) == (200, 200, 1)
    assert ask(send_two, OK, b"", OK) == (200, CUT_OFF, 0)


@pytest.mark.parametrize(
    "endless", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 C\r\n\r\n"]
)
def test_an_answer_without_end_is_given_up(endless: bytes) -> None:
    """Whether its head, its body, or its number of messages does not end."""

    def reply(connection: socket.socket, _: bytes) -> None:
        connection.sendall(endless)
        while True:
            connection.sendall(endless if b" 100 " in endless else b"a" * 65536)

    with serve_raw(reply) as server:
        pool = Pool(Address(server.port), 1, answer_limit_s=2)
        assert asyncio.run(pool.ask(REQUEST)) == CUT_OFF


def test_no_answer_is_waited_for_forever() -> None:
    """The connection is closed, and the next request gets one."""
    answers = iter([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", OK])
    with serve_raw(lambda connection, _: connection.sendall(next(answers))) as server:

        async def send_two() -> tuple[int, int]:
            pool = Pool(Address(server.port), 1, answer_limit_s=0.5)
            statuses = await pool.ask(REQUEST), await pool.ask(REQUEST)
            pool.close()
            return statuses

        assert asyncio.run(send_two()) == (CUT_OFF, 200)


def test_an_answer_that_nobody_asked_for_ends_its_connection() -> None:
    """It would be taken for that of the next request."""
    with serve_raw(always(OK + OK.replace(b"ok", b"no"))) as server:

        async def send_two() -> list[bytes]:
            pool = Pool(Address(server.port), 1)
            first = await pool.send(REQUEST)
            second = await pool.send(REQUEST)
            pool.close()
            return [first.body, second.body]

        assert asyncio.run(send_two()) == [b"ok", b"ok"]
