"""What `make chaos` counts: every status, nobody there, cut off, and how long nothing came."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bench.chaos.rows import Growth
from bench.chaos.scenarios import list_scenarios
from bench.chaos.traffic import Tally, disconnect, keep_busy, send_once
from bench.kit.connections import CUT_OFF, NO_CONNECTION
from bench.kit.images import Picture
from tests.bench.kit.stall import serve_stall
from tests.support.ports import find_port

PICTURE = Picture("dot", b"not read", "image/png")


@asynccontextmanager
async def serve_once_each(answer: bytes) -> AsyncIterator[str]:
    """Serve on a free port: the answer to the first request of each connection, which is closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"--\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        yield f"http://{host}:{port}"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", CUT_OFF),
        (b"", CUT_OFF),
    ],
)
def test_an_answer_that_breaks_is_none(answer: bytes, status: int) -> None:
    """Whatever had come of it."""

    async def scenario() -> int:
        async with serve_once_each(answer) as url:
            return await send_once(url, PICTURE)

    assert asyncio.run(scenario()) == status


def test_nobody_there_is_no_broken_answer() -> None:
    """A service that has stopped refuses connections; that is no request lost."""
    assert asyncio.run(send_once(f"http://127.0.0.1:{find_port()}", PICTURE)) == NO_CONNECTION


def test_a_connection_that_is_being_closed_is_not_used_again() -> None:
    """`Connection: close` is an answer like any other, and the next request opens a new one."""

    async def scenario() -> Tally:
        closing = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        async with serve_once_each(closing) as url:
            return await keep_busy(url, PICTURE, 2, 0.1)

    tally = asyncio.run(scenario())
    assert tally.good > 2
    assert tally.failed == {}


def test_an_outage_is_the_longest_time_without_a_good_answer() -> None:
    """What fails meanwhile does not end it."""

    async def scenario() -> Tally:
        tally = Tally()
        for status, pause_s in ((200, 0.05), (503, 0.05), (200, 0.01), (CUT_OFF, 0), (200, 0)):
            tally.add(status, 0.001 * abs(status))
            await asyncio.sleep(pause_s)
        return tally

    tally = asyncio.run(scenario())
    assert 0.1 <= tally.outage_s < 1
    assert (tally.good, tally.failed) == (3, {"503": 1, "cut off": 1})
    assert tally.find_ms(503, 99) == pytest.approx(503)
    assert tally.find_ms(504, 99) is None


def test_who_hangs_up_is_not_answered() -> None:
    """All of them come, and leave before a server that stalls has answered."""

    async def scenario() -> tuple[int, int]:
        async with serve_stall(1, 0.5) as (url, stall):
            return await disconnect(url, PICTURE, 20, 8), stall.answered

    answered, begun = asyncio.run(scenario())
    assert answered == 0
    assert begun > 0


def test_growth_is_the_peak_of_a_process() -> None:
    """Memory that has been given back by then counts."""
    growth = Growth(os.getpid())
    data = b"x" * 80_000_000
    del data
    assert 60 < growth.read() < 200


def test_each_flood_is_run_on_both_servers() -> None:
    """Every promise has a scenario, and floods have one for the peer."""
    names = list(list_scenarios())
    assert [name for name in names if f"{name}, LitServe" in names] == names[:10:2]
    assert len(names) == 19
