"""The clients of the soak: good ones, hasty ones, slow ones, and what each was answered.

Knows no service: an address, requests, statuses.
"""

import asyncio
import contextlib
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from dataclasses import dataclass

from bench.kit.connections import ANSWER_LIMIT_S, HEAD_END, LENGTH
from bench.soak.kinds import Manner, Request

HOST = "127.0.0.1"
PIECES = 6
"""In how many pieces a slow body comes."""

BODILESS = {100, 204, 304}
LOST = (ConnectionError, IncompleteReadError)


@dataclass(frozen=True)
class Answer:
    """One answer; ``closes`` where its connection is of no more use."""

    status: int
    body: bytes
    closes: bool


async def read_answer(reader: StreamReader) -> Answer:
    """Read one whole answer; without a length it ends with its connection."""
    head = (await reader.readuntil(HEAD_END)).lower()
    status = int(head.split(b" ", 2)[1])
    _, has_length, rest = head.partition(LENGTH)
    if status in BODILESS:
        body = b""
    elif has_length:
        body = await reader.readexactly(int(rest.split(b"\r\n")[0]))
    else:
        body = await reader.read()
    return Answer(status, body, b"connection: close" in head or not (has_length or not body))


class Client:
    """Sends one request after another, on a connection that is kept or on others.

    Attributes:
        again: requests that were sent once more, because the kept connection had been closed.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: tuple[StreamReader, StreamWriter] | None = None
        self.again = 0

    async def send(self, request: Request) -> Answer | None:
        """Send one request as its client would; None where that client waits for no answer.

        Raises:
            OSError: there is no connection, or it is lost.
            EOFError: it is lost in the answer.
            TimeoutError: no answer comes.
        """
        async with asyncio.timeout(ANSWER_LIMIT_S):
            if request.manner is Manner.KEEPS:
                return await self._send_kept(request)
            reader, writer = await self._open()
            try:
                return await _behave(request, reader, writer)
            finally:
                await _hang_up(writer, is_rude=request.manner is Manner.LEAVES)

    async def close(self) -> None:
        """Hang up."""
        if self._kept is not None:
            await _hang_up(self._kept[1])
            self._kept = None

    async def _send_kept(self, request: Request) -> Answer:
        """Send on the kept connection, and once more on a new one where it was closed."""
        is_new = self._kept is None
        self._kept = self._kept or await self._open()
        try:
            answer = await _ask(request, *self._kept)
        except LOST:
            await self.close()
            if is_new:
                raise
            self.again += 1
            return await self._send_kept(request)
        except asyncio.CancelledError:
            await self.close()
            raise
        if answer.closes:
            await self.close()
        return answer

    async def _open(self) -> tuple[StreamReader, StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection(HOST, self._port)


async def _ask(request: Request, reader: StreamReader, writer: StreamWriter) -> Answer:
    """Send all at once and read the answer."""
    writer.write(request.message.head + request.message.body)
    return await read_answer(reader)


async def _behave(request: Request, reader: StreamReader, writer: StreamWriter) -> Answer | None:
    """Send a request on a connection of its own."""
    message = request.message
    match request.manner:
        case Manner.LEAVES:
            writer.write(message.head + message.body)
            await asyncio.sleep(request.pause_s)
            return None
        case Manner.STOPS:
            writer.write(message.head + message.body[: len(message.body) // 2])
            await asyncio.sleep(request.pause_s)
            return None
        case Manner.CRAWLS:
            return await _crawl(request, reader, writer)
        case _:
            return await _ask(request, reader, writer)


async def _crawl(request: Request, reader: StreamReader, writer: StreamWriter) -> Answer:
    """Send the body in slow pieces, until it is whole or there is an answer."""
    answer = asyncio.create_task(read_answer(reader))
    writer.write(request.message.head)
    step = max(1, -(-len(request.message.body) // PIECES))
    for start in range(0, len(request.message.body), step):
        await asyncio.wait({answer}, timeout=request.pause_s)
        if answer.done():
            break
        writer.write(request.message.body[start : start + step])
    return await answer


async def _hang_up(writer: StreamWriter, *, is_rude: bool = False) -> None:
    """Close a connection, rudely (with a reset where bytes are left) or as is usual."""
    if is_rude:
        writer.transport.abort()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
