"""Requests that come when they come: an open loop of seeded arrivals, and what became of each.

Knows no server: it asks whatever it is given. A latency counts from the moment that the request
was due, so a driver that falls behind hides nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WARM_S = 0.5
"""Seconds at the start of each load that do not count."""

Ask = Callable[[], Awaitable[str]]
"""Sends one image and gives the name of the batch that it was part of."""


@dataclass(frozen=True)
class Load:
    """How much is offered, for how long, and when it is too much or too late."""

    rate: float
    seconds: float
    seed: int
    queue: int
    deadline_ms: float


@dataclass(frozen=True)
class Answer:
    """What became of one request; batch is None where it was refused or failed."""

    due_s: float
    latency_ms: float
    batch: str | None

    @property
    def at_s(self) -> float:
        """Return when it was answered."""
        return self.due_s + self.latency_ms / 1000


@dataclass(frozen=True)
class Summary:
    """One load in figures; goodput counts answers in time, latencies count all answers."""

    goodput: float
    answered: float
    p50_ms: float
    p99_ms: float
    batch: float


def draw_arrivals(load: Load) -> NDArray[np.float64]:
    """Return the seconds at which requests are due: a Poisson process, the same for a seed."""
    generator = np.random.default_rng(load.seed)
    length = WARM_S + load.seconds
    gaps = generator.exponential(1 / load.rate, int(2 * load.rate * length) + 100)
    times = np.cumsum(gaps)
    return times[times < length]


async def play(load: Load, ask: Ask) -> list[Answer]:
    """Offer the load; refuse what finds the queue full, as an ingress does. Waits for the rest."""
    answers: list[Answer] = []
    tasks: set[asyncio.Task[None]] = set()
    start = time.perf_counter()

    async def follow(due: float) -> None:
        try:
            batch: str | None = await ask()
        except Exception:  # noqa: BLE001 - whatever went wrong, it is no answer
            batch = None
        answers.append(Answer(due, (time.perf_counter() - start - due) * 1000, batch))

    for due in draw_arrivals(load).tolist():
        await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
        if len(tasks) >= load.queue:
            answers.append(Answer(due, 0.0, None))
            continue
        task = asyncio.create_task(follow(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return answers


def summarize_answers(answers: Sequence[Answer], load: Load) -> Summary:
    """Return the figures of what was answered between the warm-up and the end of the load.

    What is answered later does not count: a queue that fills is not throughput. Latencies are 0
    without an answer.
    """
    scored = [answer for answer in answers if answer.batch is not None]
    counted = [answer for answer in scored if WARM_S <= answer.at_s < WARM_S + load.seconds]
    latencies = [answer.latency_ms for answer in counted]
    in_time = sum(latency <= load.deadline_ms for latency in latencies)
    batches = {answer.batch for answer in counted}
    p50, p99 = np.percentile(latencies or [0.0], (50, 99)).tolist()
    return Summary(
        goodput=round(in_time / load.seconds, 1),
        answered=round(len(counted) / load.seconds, 1),
        p50_ms=round(p50, 1),
        p99_ms=round(p99, 1),
        batch=round(len(counted) / max(1, len(batches)), 1),
    )
