"""All requests of the soak over some clients at once, and their answers counted by kind."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from bench.soak.clients import Answer, Client
from bench.soak.kinds import Request, make_request

CLIENTS = 16
KEPT = 20
"""Wrong answers that are told; the others are counted."""

GONE, NOTHING = "gone", "no answer"


@dataclass
class Tally:
    """Answers as they were counted.

    Attributes:
        answers: by kind and status.
        wrong: those that are not allowed, with the number of the request.
        again: requests sent once more, because an idle connection had been closed.
    """

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    wrong_count: int = 0
    again: int = 0
    longest_s: float = 0.0
    longest: str = ""

    def add(self, number: int, request: Request, answer: Answer | None, took_s: float) -> None:
        """Count one answer, or that nobody waited for it."""
        status = GONE if answer is None else str(answer.status)
        self.answers[request.kind, status] += 1
        if took_s > self.longest_s:
            self.longest_s, self.longest = took_s, f"{number} {request.kind}: {status}"
        if answer is not None and answer.status not in request.allowed:
            self._refuse(f"{number} {request.kind}: {status} {answer.body[:200]!r}")

    def miss(self, number: int, request: Request, error: OSError | EOFError) -> None:
        """Count a request that got no answer; a client that leaves wants none."""
        self.answers[request.kind, NOTHING if request.allowed else GONE] += 1
        if request.allowed:
            self._refuse(f"{number} {request.kind}: {NOTHING}: {error!r}")

    def _refuse(self, message: str) -> None:
        """Count what is wrong."""
        self.wrong_count += 1
        if len(self.wrong) < KEPT:
            self.wrong.append(message)


Observe = Callable[[int], Awaitable[None]]


async def send_all(port: int, numbers: range, step: int, observe: Observe) -> Tally:
    """Send the requests of these numbers; ``observe`` is told each ``step`` of them."""
    tally, left, done = Tally(), iter(numbers), itertools.count(1)
    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(_send_in_turn(port, left, tally, _Steps(done, step, observe)))
    return tally


@dataclass(frozen=True)
class _Steps:
    """Counts the requests that are over."""

    done: Iterator[int]
    step: int
    observe: Observe

    async def count(self) -> None:
        """Count one more."""
        if (done := next(self.done)) % self.step == 0:
            await self.observe(done)


async def _send_in_turn(port: int, left: Iterator[int], tally: Tally, steps: _Steps) -> None:
    """Send what is left, one after another."""
    client = Client(port)
    for number in left:
        request, started = make_request(number), time.perf_counter()
        try:
            answer = await client.send(request)
        except (OSError, EOFError) as error:  # TimeoutError is one
            tally.miss(number, request, error)
        else:
            tally.add(number, request, answer, time.perf_counter() - started)
        await steps.count()
    await client.close()
    tally.again += client.again
