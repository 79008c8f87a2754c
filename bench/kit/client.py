"""A client: one request again and again over some connections, and a tally of the answers."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

import numpy as np

from bench.kit.connections import Answer, Connection, connect
from bench.kit.images import FORM, Picture

ANSWER_LIMIT_S = 60.0
NO_CONNECTION, CUT_OFF, UNANSWERED = -1, 0, -2
"""In place of a status: the connection was refused, it broke before the answer, or there was none
within the patience after the last request of a schedule."""

WORDS = {NO_CONNECTION: "no connection", CUT_OFF: "cut off", UNANSWERED: "unanswered"}


@dataclass(frozen=True)
class Target:
    """The port on this machine where requests go, and the bytes of one."""

    port: int
    request: bytes


def make_head(start: str, *headers: str) -> bytes:
    """Return the head of a request on a connection that is kept; empty headers are left out."""
    lines = (f"{start} HTTP/1.1", "Host: vitrine.test", *filter(None, headers), "", "")
    return "\r\n".join(lines).encode("latin-1")


def make_post(path: str, content_type: str, body: bytes, *headers: str) -> bytes:
    """Return the bytes of a request whose length is announced."""
    length = f"Content-Length: {len(body)}"
    return make_head(f"POST {path}", f"Content-Type: {content_type}", *headers, length) + body


def split_body(body: bytes, size: int) -> Iterator[bytes]:
    """Yield pieces of this size, the last one smaller."""
    return (body[start : start + size] for start in range(0, len(body), size))


def encode_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a body whose length is not announced."""
    return (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def make_target(url: str, picture: Picture) -> Target:
    """Return the request that sends the picture as a form to ``url``/predict."""
    return Target(urlsplit(url).port or 80, make_post("/predict", FORM, picture.body()))


class Pool:
    """Connections to one port, opened when none is free, at most ``limit`` of them.

    One that ``resends`` sends once more where a kept connection turns out to be closed.
    """

    def __init__(self, port: int, limit: int, *, resends: bool = False) -> None:
        self._port = port
        self._slots = asyncio.Semaphore(limit)
        self._free: list[Connection] = []
        self.resends = resends
        self.resent = 0

    async def ask(self, request: bytes) -> int:
        """Send the request and return the answer's status, NO_CONNECTION or CUT_OFF."""
        try:
            return (await self.send(request)).status
        except ConnectionRefusedError:
            return NO_CONNECTION
        except OSError:  # TimeoutError is one
            return CUT_OFF

    async def send(self, request: bytes) -> Answer:
        """Send the request and return its answer; a lost connection or a timeout is an OSError."""
        async with self._slots, asyncio.timeout(ANSWER_LIMIT_S):
            while self._free:
                if (connection := self._free.pop()).is_open:
                    try:
                        return await self._send_on(connection, request)
                    except ConnectionError:
                        if not self.resends:
                            raise
                        self.resent += 1
            return await self._send_on(await connect(self._port), request)

    def close(self) -> None:
        """Close every connection that is free."""
        while self._free:
            self._free.pop().close()

    async def _send_on(self, connection: Connection, request: bytes) -> Answer:
        """Send on this connection and keep it, unless it fails or closes."""
        try:
            answer = await connection.send(request)
        except BaseException:
            connection.close()
            raise
        if connection.is_open:
            self._free.append(connection)
        else:
            connection.close()
        return answer


@dataclass
class Tally:
    """What came back: seconds from when a request was due, by status, and how late it was sent.

    Also the longest time between two good answers, and good ones after a schedule's end.
    """

    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    lateness: list[float] = field(default_factory=list)
    took_s: float = 0.0
    outage_s: float = 0.0
    late: int = 0
    _last_good: float = field(default_factory=time.perf_counter)

    def add(self, status: int, seconds: float) -> None:
        """Count one answer, which has just come."""
        self.seconds[status].append(seconds)
        if status == HTTPStatus.OK:
            now = time.perf_counter()
            self.outage_s = max(self.outage_s, now - self._last_good)
            self._last_good = now

    @property
    def statuses(self) -> Counter[int]:
        """How often each status came; NO_CONNECTION, CUT_OFF or UNANSWERED where none did."""
        return Counter({status: len(seconds) for status, seconds in self.seconds.items()})

    @property
    def good(self) -> int:
        """How many were answered with a 200."""
        return self.statuses[HTTPStatus.OK]

    @property
    def failed(self) -> dict[str, int]:
        """What else came, by status."""
        others = (pair for pair in self.statuses.items() if pair[0] != HTTPStatus.OK)
        return {WORDS.get(code, str(code)): count for code, count in others if count}

    def find_ms(self, rank: float, status: int = HTTPStatus.OK) -> float | None:
        """Return a percentile of the milliseconds of one status."""
        return find_ms(self.seconds[status], rank) if self.statuses[status] else None


def find_ms(seconds: Sequence[float], rank: float) -> float:
    """Return a percentile in milliseconds."""
    return round(1e3 * float(np.percentile(seconds, rank)), 2)
