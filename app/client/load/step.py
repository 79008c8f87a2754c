"""One rate of a load test: requests leave when they are due, whatever comes back."""

import itertools
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.client.answer_text import name_answer
from app.client.generator import draw_schedule, run_open
from app.client.load.outcome import NOT_SENT, TIMED_OUT, name_error
from app.client.pool import Pool

MAX_IN_FLIGHT = 20_000
"""Requests that are sent or wait for a connection, each a task; what is due beyond is not sent."""

MAX_OUTCOMES = 32
OTHER_OUTCOME = "other"
"""For the outcomes of a server that thinks of ever new ones."""


@dataclass
class Step:
    """What was seen at one rate, also while it runs.

    Attributes:
        rate: requests a second.
        duration_s: seconds in which they are due.
        seconds: of each outcome, from when the request was due.
        lateness: seconds from when each request was due until this client began with it.
        waited: requests that found every connection taken.
        in_flight: requests that are.
        took_s: seconds until the last answer.
    """

    rate: float
    duration_s: float
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lateness: list[float] = field(default_factory=list)
    waited: int = 0
    in_flight: int = 0
    took_s: float = 0.0

    def add(self, outcome: str, seconds: float) -> None:
        """Count what came of a request."""
        is_known = outcome in self.seconds or len(self.seconds) < MAX_OUTCOMES
        self.seconds[outcome if is_known else OTHER_OUTCOME].append(seconds)


async def run_step(step: Step, pool: Pool, requests: Sequence[bytes], patience_s: float) -> None:
    """Send the requests in turn by a Poisson schedule; wait for answers so long after the last."""
    turn, started = itertools.cycle(requests), time.perf_counter()

    async def send(due: float) -> None:
        step.lateness.append(time.perf_counter() - due)
        if step.in_flight >= MAX_IN_FLIGHT:
            step.add(NOT_SENT, 0.0)
            return
        step.in_flight += 1
        step.waited += pool.is_full
        try:
            outcome = await ask(pool, next(turn))
        finally:
            step.in_flight -= 1
        step.add(outcome, time.perf_counter() - due)

    try:
        unanswered = await run_open(send, draw_schedule(step.rate, step.duration_s), patience_s)
        for _ in range(unanswered):
            step.add(TIMED_OUT, patience_s)
    finally:
        step.took_s = time.perf_counter() - started


async def ask(pool: Pool, request: bytes) -> str:
    """Send a request and name what came of it."""
    try:
        return name_answer(await pool.send(request))
    except OSError as exc:  # TimeoutError is one
        return name_error(exc)
