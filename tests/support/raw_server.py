"""A small server on a thread that answers with whatever bytes a test wants."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator

Reply = Callable[[socket.socket, bytes], None]
"""Answers on a connection what has just come."""

CHUNK = 1 << 16


def make_answer(status: str, body: bytes, media_type: str = "application/json") -> bytes:
    """Make a whole answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def always(answer: bytes) -> Reply:
    """Answer every request with the same."""
    return lambda connection, _: connection.sendall(answer)


class RawServer:
    """A server; `reply` may be changed while it runs, and `requests` are what has come."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Close it, and every connection."""
        for one in (self._socket, *self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        """Serve each connection by a thread of its own."""
        with contextlib.suppress(OSError):
            while True:
                connection = self._socket.accept()[0]
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer what comes, until the client has closed."""
        with contextlib.suppress(OSError):
            while request := self._read(connection):
                self.requests.append(request)
                self.reply(connection, request)

    def _read(self, connection: socket.socket) -> bytes:
        """Read one request whose length is announced, or that has no body."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(CHUNK)):
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: *(\d+)", head.lower())
        length = int(found[1]) if found else 0
        while len(body) < length:
            body += connection.recv(CHUNK)
        return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def serve_raw(reply: Reply) -> Iterator[RawServer]:
    """Serve until the block ends."""
    server = RawServer(reply)
    try:
        yield server
    finally:
        server.close()
