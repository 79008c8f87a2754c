"""A keep-alive HTTP/1.1 connection with as few instructions as asyncio allows."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

HOST = "127.0.0.1"
HEAD_END, LENGTH, CLOSE = b"\r\n\r\n", b"\r\ncontent-length:", b"connection: close"
CONTINUE, BODILESS = 100, {204, 304}


@dataclass(frozen=True)
class Answer:
    """One answer; ``closes`` where its connection cannot be used again."""

    status: int
    body: bytes = b""
    closes: bool = False


class Connection(asyncio.Protocol):
    """One connection that carries one request at a time."""

    def __init__(self) -> None:
        self.is_open = True
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._received = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to; uvloop's transports are no subclass of asyncio's."""
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        """Hold up ``send_pieces``: the buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let ``send_pieces`` go on."""
        self._writable.set()

    def write(self, data: bytes) -> None:
        """Write bytes of the request."""
        if self._transport is not None and self.is_open:
            self._transport.write(data)

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request, or the beginning of one; the future is its answer, once that is whole."""
        if not self.is_open:
            raise ConnectionError("The connection is closed.")
        self._received.clear()
        self._answer = asyncio.get_running_loop().create_future()
        self.write(request)
        return self._answer

    async def send_pieces(self, head: bytes, pieces: Iterable[bytes], pause_s: float = 0) -> Answer:
        """Send a body in pieces, until it is whole or there is an answer."""
        answer = self.send(head)
        for piece in pieces:
            await asyncio.wait({answer}, timeout=pause_s)
            if answer.done():
                break
            self.write(piece)
            await self._writable.wait()
        return await answer

    def data_received(self, data: bytes) -> None:
        """Finish the answer when its announced length is there."""
        self._received += data
        head, end, body = bytes(self._received).partition(HEAD_END)
        if not end or self._answer is None or self._answer.done():
            return
        head = head.lower()
        status = int(head.split(b" ", 2)[1])
        _, has_length, rest = head.partition(LENGTH)
        if status == CONTINUE:
            self._received.clear()
            self.data_received(body)
        elif status in BODILESS or (has_length and len(body) >= int(rest.split(b"\r\n")[0])):
            self._finish(Answer(status, body, CLOSE in head))

    def _finish(self, answer: Answer) -> None:
        """Hand out the answer."""
        self.is_open = not answer.closes
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the pending request, unless its answer has no length and ends here."""
        head, end, body = bytes(self._received).partition(HEAD_END)
        self._writable.set()
        if exc is None and end and LENGTH not in head.lower():
            self._finish(Answer(int(head.split(b" ", 2)[1]), body, closes=True))
        self.is_open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("The server closed the connection."))

    def close(self, *, reset: bool = True) -> None:
        """Close the connection, with a reset where bytes are left, or after they are sent."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort() if reset else self._transport.close()


async def connect(port: int) -> Connection:
    """Open one connection."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, HOST, port)
    return connection
