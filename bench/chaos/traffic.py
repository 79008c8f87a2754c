"""Traffic that remembers every status: a loop that keeps connections busy, and one by schedule."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus

import numpy as np

from bench.kit.connections import (
    CUT_OFF,
    NO_CONNECTION,
    Address,
    Connection,
    Pool,
    prepare_request,
)
from bench.kit.images import Picture
from bench.kit.openloop import CONNECTIONS, draw_schedule

RETRY_S = 0.1
"""Seconds until a client tries again where nobody listens."""

UNANSWERED, PATIENCE_S = -2, 15.0
"""In place of a status: no answer so many seconds after the last request of a schedule."""

WORDS = {NO_CONNECTION: "no connection", CUT_OFF: "cut off", UNANSWERED: "unanswered"}


@dataclass
class Tally:
    """What came back.

    Attributes:
        statuses: how often each came; NO_CONNECTION or CUT_OFF where none did.
        seconds: of each answer, from when its request was due, by status.
        outage_s: longest time between two good answers.
        late: good answers that came after the schedule's end.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: dict[int, list[float]] = field(default_factory=dict)
    outage_s: float = 0.0
    late: int = 0
    _last_good: float = field(default_factory=time.perf_counter)

    def add(self, status: int, seconds: float) -> None:
        """Count one answer, which has just come."""
        self.statuses[status] += 1
        self.seconds.setdefault(status, []).append(seconds)
        if status == HTTPStatus.OK:
            now = time.perf_counter()
            self.outage_s = max(self.outage_s, now - self._last_good)
            self._last_good = now

    @property
    def good(self) -> int:
        """How many were answered."""
        return self.statuses[HTTPStatus.OK]

    @property
    def failed(self) -> dict[str, int]:
        """What else came, by status."""
        others = {code: n for code, n in self.statuses.items() if n and code != HTTPStatus.OK}
        return {WORDS.get(code, str(code)): count for code, count in others.items()}

    def find_ms(self, status: int, rank: float) -> float | None:
        """Return a percentile of the milliseconds of one status."""
        seen = self.seconds.get(status)
        return round(1e3 * float(np.percentile(seen, rank)), 1) if seen else None


async def keep_busy(url: str, picture: Picture, connections: int, seconds: float) -> Tally:
    """Keep so many connections busy, each with one request at a time."""
    pool, tally = Pool(prepare_request(url, picture), connections), Tally()
    end = time.perf_counter() + seconds

    async def ask_again_and_again() -> None:
        while (sent := time.perf_counter()) < end:
            status = await pool.ask()
            tally.add(status, time.perf_counter() - sent)
            if status == NO_CONNECTION:
                await asyncio.sleep(RETRY_S)

    await asyncio.gather(*(ask_again_and_again() for _ in range(connections)))
    pool.close()
    return tally


async def send_once(url: str, picture: Picture) -> int:
    """Send one request on a connection of its own; return the status."""
    pool = Pool(prepare_request(url, picture), 1)
    status = await pool.ask()
    pool.close()
    return status


async def offer(url: str, picture: Picture, rate: float, seconds: float) -> Tally:
    """Send requests on a Poisson schedule, whatever comes back; later answers count as late."""
    pool, tally = Pool(prepare_request(url, picture), 2 * CONNECTIONS), Tally()
    started = time.perf_counter()

    async def send(due: float) -> None:
        status = await pool.ask()
        now = time.perf_counter() - started
        tally.late += status == HTTPStatus.OK and now > seconds
        tally.add(status, now - due)

    requests = []
    for due in draw_schedule(rate, seconds):
        await asyncio.sleep(started + due - time.perf_counter())
        requests.append(asyncio.create_task(send(due)))
    _, unanswered = await asyncio.wait(requests, timeout=PATIENCE_S)
    tally.statuses[UNANSWERED] += len(unanswered)
    for request in unanswered:
        request.cancel()
    await asyncio.gather(*unanswered, return_exceptions=True)
    pool.close()
    return tally


async def disconnect(url: str, picture: Picture, count: int, at_once: int) -> int:
    """Send requests and hang up on each a moment later; return how many were answered by then."""
    address, places = prepare_request(url, picture), asyncio.Semaphore(at_once)

    async def send_and_go(number: int) -> bool:
        async with places:
            connection = await connect(address)
            answer = connection.send(address.request)
            await asyncio.wait([answer], timeout=0.002 * (1 + number % 5))
            was_answered = answer.done()
            connection.close()
            await asyncio.wait([answer], timeout=1)
            if not answer.cancelled():
                answer.exception()  # it was hung up on
            return was_answered

    return sum(await asyncio.gather(*(send_and_go(number) for number in range(count))))


async def stay_while_others_leave(
    url: str, picture: Picture, connections: int, seconds: float
) -> tuple[Tally, int]:
    """Keep connections busy while as many others hang up; return what came, and how many left."""
    staying = asyncio.create_task(keep_busy(url, picture, connections, seconds))
    left = 0
    while not staying.done():
        left += 100 - await disconnect(url, picture, 100, connections)
    return await staying, left


async def connect(address: Address) -> Connection:
    """Open one connection."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, address.host, address.port)
    return connection
