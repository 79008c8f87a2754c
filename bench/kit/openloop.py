"""An open loop: requests leave by a schedule, whatever became of those before them.

A closed loop waits for a slow server and so hides its worst moments; here a latency begins when
its request was due (https://www.scylladb.com/2021/04/22/on-coordinated-omission/). Arrivals are
Poisson, from a fixed seed, so that every server meets the same ones. Knows no server.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
import uvloop

from bench.kit.connections import Pool, prepare_request
from bench.kit.images import Picture
from bench.kit.servers import BenchError

SEED = 11
CONNECTIONS = 512
"""Most at once; a request that finds none waits, and its latency runs."""


@dataclass(frozen=True)
class Pace:
    """One image, at so many requests a second for so many seconds; the share of a capacity."""

    picture: Picture
    share: float
    rate: float
    seconds: float


@dataclass(frozen=True)
class OpenResult:
    """What was seen of one pace; latencies in milliseconds from when each request was due.

    Attributes:
        late_p99_ms: how late the generator itself sent: latencies below it mean nothing.
    """

    image: str
    share: float
    offered_per_s: float
    p50_ms: float
    p99_ms: float
    late_p99_ms: float
    errors: int


@dataclass
class Seen:
    """Seconds of each request, and how many failed."""

    latencies: list[float]
    lateness: list[float]
    errors: int = 0


def draw_schedule(rate: float, seconds: float, seed: int = SEED) -> list[float]:
    """Return when each request is due, in seconds after the start: a Poisson process."""
    generator = np.random.default_rng(seed)
    gaps = generator.exponential(1 / rate, int(2 * rate * seconds) + 100)
    due = np.cumsum(gaps)
    return [float(moment) for moment in due[due < seconds]]


async def send_on_schedule(exchange: Callable[[], Awaitable[bool]], due: list[float]) -> Seen:
    """Send each request when it is due and wait for all answers."""
    seen, started = Seen([], []), time.perf_counter()

    async def send(moment: float) -> None:
        seen.lateness.append(time.perf_counter() - started - moment)
        if await exchange():
            seen.latencies.append(time.perf_counter() - started - moment)
        else:
            seen.errors += 1

    async with asyncio.TaskGroup() as requests:
        for moment in due:
            await asyncio.sleep(started + moment - time.perf_counter())
            requests.create_task(send(moment))
    return seen


def summarize(pace: Pace, seen: Seen) -> OpenResult:
    """Return the percentiles of the good answers; none at all is no result."""
    if not seen.latencies:
        raise BenchError(f"no good answer among {seen.errors} to {pace.picture.name}, open loop")
    return OpenResult(
        pace.picture.name,
        pace.share,
        round(pace.rate, 1),
        p50_ms=find_ms(seen.latencies, 50),
        p99_ms=find_ms(seen.latencies, 99),
        late_p99_ms=find_ms(seen.lateness, 99),
        errors=seen.errors,
    )


def find_ms(seconds: list[float], rank: int) -> float:
    """Return a percentile in milliseconds."""
    return round(1e3 * float(np.percentile(seconds, rank)), 2)


async def keep_pace(url: str, pace: Pace) -> OpenResult:
    """Put the pace on ``url``."""
    pool = Pool(prepare_request(url, pace.picture), CONNECTIONS)
    seen = await send_on_schedule(pool.exchange, draw_schedule(pace.rate, pace.seconds))
    pool.close()
    return summarize(pace, seen)


def drive_open(url: str, pace: Pace) -> OpenResult:
    """Return what was seen of the pace."""
    return uvloop.run(keep_pace(url, pace))
