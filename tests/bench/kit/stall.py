"""A little HTTP server that answers at once, but for one stall."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Stall:
    """Answers every request; the one of that number holds all up for so many seconds."""

    def __init__(self, number: int, seconds: float) -> None:
        self.answered = 0
        self._number = number
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self.handlers: set[asyncio.Task[object]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests, one after another."""
        if task := asyncio.current_task():
            self.handlers.add(task)
        while head := await self.read_head(reader):
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            async with self._lock:
                self.answered += 1
                if self.answered == self._number:
                    await asyncio.sleep(self._seconds)
            writer.write(ANSWER)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def read_head(self, reader: asyncio.StreamReader) -> bytes:
        """Read up to the blank line; nothing when the client has disconnected."""
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


@asynccontextmanager
async def serve_stall(number: int, seconds: float) -> AsyncIterator[tuple[str, Stall]]:
    """Serve on a free port; hands out the address and the server."""
    stall = Stall(number, seconds)
    server = await asyncio.start_server(stall.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        yield f"http://{host}:{port}", stall
        await asyncio.gather(*stall.handlers)
