"""The soak's clients, good, hasty and slow ones, and counts of their answers by kind."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.client.connection import Address, Answer, connect
from app.client.generator import run_closed
from app.client.pool import ANSWER_LIMIT_S, Pool
from bench.kit.client import split_body
from bench.kit.results import Record
from bench.soak.requests import Manner, Request, make_request

CLIENTS = 16
PIECES = 6
"""In how many pieces a slow body comes."""

KEPT = 20
"""Wrong answers that are listed; the others are counted."""

DISCONNECTED, NO_ANSWER = "gone", "no answer"
"""In place of a status, as the results have it: the client wanted no answer, or got none."""

Observe = Callable[[int], Awaitable[None]]


@dataclass
class AnswerCounts:
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

    def add(
        self, number: int, request: Request, answer: Answer | OSError | None, took_s: float
    ) -> None:
        """Count an answer, an error in its place, or that the client did not wait for one."""
        kind, is_wrong = request.kind, bool(answer and request.kind.allowed)
        status, shown = NO_ANSWER if is_wrong else DISCONNECTED, repr(answer)
        if isinstance(answer, Answer):
            is_wrong = answer.status not in kind.allowed
            status, shown = str(answer.status), repr(answer.body[:200])
        if took_s > self.longest_s and not isinstance(answer, OSError):
            self.longest_s, self.longest = round(took_s, 2), f"{number} {kind.name}: {status}"
        self.answers[kind.name][status] += 1
        self.wrong_count += is_wrong
        if is_wrong and len(self.wrong) < KEPT:
            self.wrong.append(f"{number} {kind.name}: {status} {shown}")


async def send_alone(port: int, request: Request) -> Answer | None:
    """Send a request on a connection of its own; None where the client waits for no answer."""
    connection = await connect(Address(port))
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            if request.manner is Manner.CRAWLS:
                pieces = split_body(request.body, max(1, -(-len(request.body) // PIECES)))
                return await connection.send_pieces(request.head, pieces, request.pause_s)
            if request.manner is Manner.CLOSES:
                return await connection.send(request.head + request.body)
            said = len(request.body) // (2 if request.manner is Manner.STOPS else 1)
            connection.send(request.head + request.body[:said]).cancel()
            await asyncio.sleep(request.pause_s)
            return None
    finally:
        connection.close(reset=request.manner is Manner.LEAVES)


async def send_all(port: int, numbers: range, step: int, observe: Observe) -> AnswerCounts:
    """Send the requests of these numbers; ``observe`` is awaited after each ``step`` of them."""
    counts, pool, done = AnswerCounts(), Pool(Address(port), CLIENTS, resends=True), 0

    async def send(number: int) -> None:
        nonlocal done
        request, started = make_request(number), time.perf_counter()
        answer: Answer | OSError | None
        try:
            if request.manner is Manner.KEEPS:
                answer = await pool.send(request.head + request.body)
            else:
                answer = await send_alone(port, request)
        except OSError as error:  # TimeoutError is one
            answer = error
        counts.add(number, request, answer, time.perf_counter() - started)
        done += 1
        if done % step == 0:
            await observe(done)

    await run_closed(send, CLIENTS, numbers)
    pool.close()
    counts.sent_again = pool.resent
    return counts
