"""A keep-alive HTTP/1.1 connection of a client, with few instructions for each answer.

The answer is parsed by llhttp (httptools). Its size is bounded; its time is bounded by who waits.
"""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.network import LOOPBACK

MAX_ANSWER_BYTES = 16 << 20
"""Bytes of an answer, with its head."""

_INTERIM = {HTTPStatus.CONTINUE, HTTPStatus.PROCESSING, HTTPStatus.EARLY_HINTS}
_FRAMING = {b"content-length", b"transfer-encoding"}


@dataclass(frozen=True)
class Address:
    """Where a connection leads.

    Attributes:
        port: of the server.
        host: address or name of the server.
        tls: for HTTPS; None for plain HTTP.
        server_name: that the certificate must have.
    """

    port: int
    host: str = LOOPBACK
    tls: ssl.SSLContext | None = None
    server_name: str | None = None


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
        self._parser = HttpResponseParser(self)
        self._received = 0
        self._body: list[bytes] = []
        self._has_head = self._has_length = False
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
        self._received, self._has_head = 0, False
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
        """Parse what has come; an answer that is too large or no HTTP fails."""
        self._received += len(data)
        if self._received > MAX_ANSWER_BYTES:
            self._fail(ConnectionError(f"The answer has more than {MAX_ANSWER_BYTES} bytes."))
        elif self.is_open:
            try:
                self._parser.feed_data(data)
            except (HttpParserError, HttpParserUpgrade):
                self._fail(ConnectionError("The answer is not HTTP/1.1."))

    def on_message_begin(self) -> None:
        """Forget the message before; called by the parser, as the next four are."""
        self._body = []
        self._has_head = self._has_length = False
        self.is_open = self._answer is not None and not self._answer.done()  # else unasked for

    def on_header(self, name: bytes, _value: bytes) -> None:
        """See whether the answer's end is announced."""
        self._has_length |= name.lower() in _FRAMING

    def on_headers_complete(self) -> None:
        """Know that the status is there."""
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand out the answer, unless it is only said that one will come."""
        if (status := self._parser.get_status_code()) not in _INTERIM:
            self._finish(status, closes=not self._parser.should_keep_alive())

    def _finish(self, status: int, *, closes: bool) -> None:
        """Hand out the answer."""
        self.is_open = not closes
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(status, b"".join(self._body), closes))

    def _fail(self, error: OSError) -> None:
        """Close the connection; nothing of its answer can be trusted."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the pending request, unless its answer has no length and ends here."""
        self._writable.set()
        if exc is None and self._has_head and not self._has_length:
            self._finish(self._parser.get_status_code(), closes=True)
        self.is_open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("The server closed the connection."))

    def close(self, *, reset: bool = True) -> None:
        """Close the connection, with a reset where bytes are left, or after they are sent."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort() if reset else self._transport.close()


async def connect(address: Address) -> Connection:
    """Open one connection."""
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection,
        address.host,
        address.port,
        ssl=address.tls,
        server_hostname=address.server_name,
    )
    return connection
