"""Keep-alive connections to one address, as few instructions as asyncio allows.

For the loads that wrk cannot give. Knows how long an answer is and its status, nothing else.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

from bench.kit.images import BOUNDARY, Picture

ANSWER_LIMIT_S = 60.0
NO_CONNECTION, CUT_OFF = -1, 0
"""In place of a status: nobody took the connection, or it broke before the answer."""
HEAD_END, LENGTH, CLOSE = b"\r\n\r\n", b"content-length:", b"connection: close"


class Connection(asyncio.Protocol):
    """One connection that carries one request at a time."""

    def __init__(self) -> None:
        self.is_open = True
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to; uvloop's transports are no subclass of asyncio's."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> asyncio.Future[int]:
        """Send a request; the future is the status of its answer, once that is whole."""
        self._received.clear()
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport is None or not self.is_open:
            raise ConnectionError("The connection is closed.")
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Finish the answer when its announced length is there."""
        self._received += data
        head, end, body = bytes(self._received).partition(HEAD_END)
        if not end or self._answer is None or self._answer.done():
            return
        head = head.lower()
        self.is_open = CLOSE not in head
        _, found, rest = head.partition(LENGTH)
        if not found:
            self._answer.set_exception(ConnectionError("The answer announces no length."))
        elif len(body) >= int(rest.split(b"\r\n")[0]):
            self._answer.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits."""
        self.is_open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("The server hung up."))

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()


@dataclass(frozen=True)
class Address:
    """Where requests go, and the bytes of one."""

    host: str
    port: int
    request: bytes


def prepare_request(url: str, picture: Picture) -> Address:
    """Return the request that sends the picture to ``url``/predict."""
    target, body = urlsplit(url), picture.body()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: {target.netloc}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Address(target.hostname or "", target.port or 80, head.encode() + body)


class Pool:
    """Connections to one address, opened when none is free, at most ``limit`` of them."""

    def __init__(self, address: Address, limit: int) -> None:
        self._address = address
        self._places = asyncio.Semaphore(limit)
        self._free: list[Connection] = []

    async def exchange(self) -> bool:
        """Send the request once and say whether the answer was a 200."""
        return await self.ask() == HTTPStatus.OK

    async def ask(self) -> int:
        """Send the request once and return the answer's status, NO_CONNECTION or CUT_OFF."""
        async with self._places:
            try:
                connection = await self._take()
            except OSError:
                return NO_CONNECTION
            try:
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    status = await connection.send(self._address.request)
            except (OSError, TimeoutError):  # the connection is not used again
                return CUT_OFF
            if connection.is_open:
                self._free.append(connection)
            else:
                connection.close()
            return status

    def close(self) -> None:
        """Hang up every connection that is free."""
        while self._free:
            self._free.pop().close()

    async def _take(self) -> Connection:
        """Return a free connection that is open, or a new one."""
        while self._free:
            if (connection := self._free.pop()).is_open:
                return connection
        loop = asyncio.get_running_loop()
        address = self._address
        _, opened = await loop.create_connection(Connection, address.host, address.port)
        return opened
