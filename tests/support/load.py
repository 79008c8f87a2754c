"""A load from outside: clients behind a load balancer that asks each front whether it is well.

Each client sends one image after the other, many over one connection, and retries nothing.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

HEALTH_S = 0.5
"""Seconds between two looks at a front, and those that it has to answer."""

PATIENCE_S = 75.0
KEPT = 50
"""Requests over one connection; the load balancer gives the next to the next front."""

CUT, REFUSED, LATE = "cut", "refused", "late"
"""What a request came to without an answer: the connection ended, none was made, none in time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request came to.

    Attributes:
        ended: by the monotonic clock.
        seconds: that it took.
        front: which one it was sent to.
        result: its HTTP status, or CUT, REFUSED or LATE.
        body: the answer; empty without one.
    """

    ended: float
    seconds: float
    front: str
    result: int | str
    body: bytes

    @property
    def started(self) -> float:
        """When it began, by the same clock."""
        return self.ended - self.seconds


@dataclass
class Load:
    """A load that runs.

    Attributes:
        fronts: addresses that clients may be sent to.
        request: the bytes of one.
        healthy: fronts that said that they are well.
        outcomes: of all requests so far.
        clients: how many are busy.
        stopped: when they were told to send no more, by the monotonic clock.
    """

    fronts: Sequence[tuple[str, int]]
    request: bytes
    healthy: list[tuple[str, int]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    clients: int = 0
    stopped: float = float("inf")
    _turn: int = 0

    async def run(self, clients: int, act: Callable[[], None]) -> None:
        """Keep so many clients busy while `act` runs, in a thread of its own."""
        watching = [asyncio.create_task(self._watch(front)) for front in self.fronts]
        self.clients = clients
        sending = [asyncio.create_task(self._send_in_turn(number)) for number in range(clients)]
        try:
            await asyncio.to_thread(act)
        finally:
            self.clients, self.stopped = 0, time.monotonic()
            await asyncio.gather(*sending)
            for task in watching:
                task.cancel()

    def count(self, since: float = 0.0, until: float = float("inf")) -> Counter[int | str]:
        """Count results of the requests that ended between two moments."""
        return Counter(one.result for one in self.outcomes if since <= one.ended < until)

    def list_failed(self) -> list[Outcome]:
        """List the requests without a good answer."""
        return [one for one in self.outcomes if one.result != 200]

    async def _watch(self, front: tuple[str, int]) -> None:
        """Ask a front again and again."""
        while True:
            is_well = await _is_well(front)
            if is_well and front not in self.healthy:
                self.healthy.append(front)
            elif not is_well and front in self.healthy:
                self.healthy.remove(front)
            await asyncio.sleep(HEALTH_S)

    async def _send_in_turn(self, number: int) -> None:
        """Send one image after the other."""
        connection, sent = Connection(), 0
        while number < self.clients:
            if not self.healthy:
                await asyncio.sleep(0.05)
                continue
            if connection.front not in self.healthy or sent % KEPT == 0:
                connection.close()
                self._turn += 1
                connection.front = self.healthy[self._turn % len(self.healthy)]
            started = time.monotonic()
            result, body = await connection.ask(self.request)
            sent += 1
            ended = time.monotonic()
            front = connection.front[0]
            self.outcomes.append(Outcome(ended, ended - started, front, result, body))
            if isinstance(result, str):
                connection.close()
                await asyncio.sleep(0.05)
        connection.close()


class Connection:
    """A connection to a front, made when it is needed."""

    def __init__(self) -> None:
        self.front: tuple[str, int] = ("", 0)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int | str, bytes]:
        """Send a request; gives its result and the body of the answer."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(*self.front)
        except (OSError, TimeoutError):
            return REFUSED, b""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._exchange(*self._streams, request)
        except TimeoutError:
            return LATE, b""
        except (OSError, asyncio.IncompleteReadError, ValueError):
            return CUT, b""

    def close(self) -> None:
        """Close the connection; the next request makes another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[int, bytes]:
        """Send the request and read the answer."""
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        lines = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        body = await reader.readexactly(int(lines.get("content-length", "0")))
        if lines.get("connection") == "close":
            self.close()
        return int(head.split()[1]), body


def make_request(image: bytes, headers: Sequence[str] = ()) -> bytes:
    """Make the request that classifies an image, sent as it is."""
    lines = (
        "POST /predict/raw?top_k=1 HTTP/1.1",
        "Host: service",
        "Content-Type: image/png",
        f"Content-Length: {len(image)}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode() + image


def read_answer(outcome: Outcome) -> tuple[str, str]:
    """Read the revision and the label of an answer."""
    answer = json.loads(outcome.body)
    return answer["model"]["revision"], answer["predictions"][0]["label"]


async def _is_well(front: tuple[str, int]) -> bool:
    """Ask a front whether it is well."""
    connection = Connection()
    connection.front = front
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HEALTH_S):
            result, _ = await connection.ask(b"GET /-/healthz HTTP/1.1\r\nHost: s\r\n\r\n")
            connection.close()
            return result == 200
    connection.close()
    return False
