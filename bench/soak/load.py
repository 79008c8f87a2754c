"""The soak's clients, good, hasty and slow ones, and a tally of their answers by kind."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bench.kit.client import ANSWER_LIMIT_S, Pool
from bench.kit.connections import Answer, connect
from bench.kit.generator import run_closed
from bench.kit.results import Record
from bench.soak.requests import Manner, Request, make_request

CLIENTS = 16
PIECES = 6
"""In how many pieces a slow body comes."""

KEPT = 20
"""Wrong answers that are listed; the others are counted."""

GONE, NOTHING = "gone", "no answer"
Observe = Callable[[int], Awaitable[None]]


@dataclass
class Tally:
    """Answers by kind and status, the first wrong ones, requests sent again, the longest."""

    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: list[str] = field(default_factory=list)
    wrong_count: int = 0
    sent_again: int = 0
    longest_s: float = 0.0
    longest: str = ""

    def as_dict(self) -> Record:
        """Return the fields as JSON has them."""
        return vars(self) | {"answers": dict(sorted(self.answers.items()))}

    def add(self, number: int, request: Request, answer: Answer | None, took_s: float) -> None:
        """Count one answer, or that the client did not wait for it."""
        status = GONE if answer is None else str(answer.status)
        if took_s > self.longest_s:
            self.longest_s, self.longest = (
                round(took_s, 2),
                f"{number} {request.kind.name}: {status}",
            )
        is_wrong = answer is not None and answer.status not in request.kind.allowed
        self._count(number, request, status, repr(answer.body[:200]) if answer and is_wrong else "")

    def miss(self, number: int, request: Request, error: OSError) -> None:
        """Count a request that got no answer; a client that leaves wants none."""
        status, wrong = (NOTHING, repr(error)) if request.kind.allowed else (GONE, "")
        self._count(number, request, status, wrong)

    def _count(self, number: int, request: Request, status: str, wrong: str) -> None:
        """Count a status, and why it is wrong."""
        self.answers[request.kind.name][status] += 1
        self.wrong_count += bool(wrong)
        if wrong and len(self.wrong) < KEPT:
            self.wrong.append(f"{number} {request.kind.name}: {status} {wrong}")


async def send_alone(port: int, request: Request) -> Answer | None:
    """Send a request on a connection of its own; None where the client waits for no answer."""
    connection = await connect(port)
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            if request.manner is Manner.CRAWLS:
                step = max(1, -(-len(request.body) // PIECES))
                starts = range(0, len(request.body), step)
                pieces = (request.body[start : start + step] for start in starts)
                return await connection.send_pieces(request.head, pieces, request.pause_s)
            if request.manner is Manner.CLOSES:
                return await connection.send(request.head + request.body)
            said = len(request.body) // (2 if request.manner is Manner.STOPS else 1)
            connection.send(request.head + request.body[:said]).cancel()
            await asyncio.sleep(request.pause_s)
            return None
    finally:
        connection.close(reset=request.manner is Manner.LEAVES)


async def send_all(port: int, numbers: range, step: int, observe: Observe) -> Tally:
    """Send the requests of these numbers; ``observe`` is awaited after each ``step`` of them."""
    tally, pool, done = Tally(), Pool(port, CLIENTS, resends=True), 0

    async def send(number: int) -> None:
        nonlocal done
        request, started = make_request(number), time.perf_counter()
        try:
            if request.manner is Manner.KEEPS:
                answer: Answer | None = await pool.send(request.head + request.body)
            else:
                answer = await send_alone(port, request)
        except OSError as error:  # TimeoutError is one
            tally.miss(number, request, error)
        else:
            tally.add(number, request, answer, time.perf_counter() - started)
        done += 1
        if done % step == 0:
            await observe(done)

    await run_closed(send, CLIENTS, numbers)
    pool.close()
    tally.sent_again = pool.resent
    return tally
