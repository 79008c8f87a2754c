"""The course of a load test: warm-up, what the service can do, and then each rate."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.client.answer_text import GOOD
from app.client.endpoint import locate
from app.client.generator import count_until, run_closed
from app.client.load.plan import LoadPlan, check_plan, check_rates
from app.client.load.step import Step, ask, run_step
from app.client.load.warm_up import warm_up
from app.client.pool import Pool
from app.errors import ServiceError

CAPACITY_S, CAPACITY_CLIENTS = 5.0, 64
"""How long and by how many clients a closed loop finds what the service can do."""

SHARES = (0.25, 0.5, 0.75, 0.9, 1.1)
"""Of that, which are the rates where none are given."""

RETRY_S = 0.25
"""Until a client of the closed loop tries again that was refused."""

TICK_S = 0.2
PAUSE_S = 0.5
"""Between two rates."""

Show = Callable[[str, float], None]
"""Shows what is done now, and the share of it that is over."""


@dataclass
class Measurement:
    """What was seen, also when it was interrupted.

    Attributes:
        plan: of it.
        capacity: good answers a second of the closed loop; None where rates were given.
        steps: one for each rate that has begun.
        is_interrupted: whether the user ended it.
    """

    plan: LoadPlan
    capacity: float | None = None
    steps: list[Step] = field(default_factory=list)
    is_interrupted: bool = False


def measure(plan: LoadPlan, show: Show) -> Measurement:
    """Run a load test; Ctrl-C ends it, and what was seen until then is returned.

    Raises:
        ServiceError: nothing can be measured.
    """
    check_plan(plan)
    measurement = Measurement(plan)
    try:
        asyncio.run(_run(measurement, show))
    except KeyboardInterrupt:
        measurement.is_interrupted = True
    return measurement


async def _run(measurement: Measurement, show: Show) -> None:
    """Connect, run all steps, and close every connection."""
    plan = measurement.plan
    pool = Pool(locate(plan.endpoint), plan.connections, answer_limit_s=plan.timeout_s)
    try:
        await _run_steps(measurement, pool, show)
    finally:
        pool.close()


async def _run_steps(measurement: Measurement, pool: Pool, show: Show) -> None:
    """Run all steps."""
    plan, requests = measurement.plan, measurement.plan.make_requests()
    with _tick(show, "warm-up", 0):
        await warm_up(pool, plan.endpoint, requests, [image.path for image in plan.images])
    if not plan.rates:
        with _tick(show, "closed loop", CAPACITY_S):
            measurement.capacity = await _find_capacity(pool, requests, plan.connections)
    rates = plan.rates or _choose_rates(measurement.capacity or 0.0)
    check_rates(rates, plan.duration_s)
    for rate in rates:
        await asyncio.sleep(PAUSE_S)
        step = Step(rate, plan.duration_s)
        measurement.steps.append(step)
        with _tick(show, f"{rate:g} requests/s", plan.duration_s):
            await run_step(step, pool, requests, plan.timeout_s)


async def _find_capacity(pool: Pool, requests: Sequence[bytes], connections: int) -> float:
    """Return the good answers a second of a closed loop; those that fail are not counted."""
    good = 0

    async def send(number: int) -> None:
        nonlocal good
        if await ask(pool, requests[number % len(requests)]) == GOOD:
            good += 1
        else:
            await asyncio.sleep(RETRY_S)

    clients = min(connections, CAPACITY_CLIENTS)
    took_s = await run_closed(send, clients, count_until(CAPACITY_S))
    return good / took_s


def _choose_rates(capacity: float) -> list[float]:
    """Choose rates below and above of what the service can do."""
    if not capacity:
        raise ServiceError("No image was answered in the closed loop. Give a --rate.")
    return [float(f"{share * capacity:.2g}") for share in SHARES]


@contextmanager
def _tick(show: Show, what: str, seconds: float) -> Iterator[None]:
    """Show several times a second how far something is."""
    started = time.monotonic()

    async def tick() -> None:
        while True:
            elapsed = time.monotonic() - started
            show(what, min(1.0, elapsed / seconds) if seconds else 0.0)
            await asyncio.sleep(TICK_S)

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        task.cancel()
