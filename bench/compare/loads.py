"""The loads of the comparison and what was seen of each."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import uvloop

from bench.kit.client import Tally, find_ms, make_target
from bench.kit.generator import count_until, keep_busy, offer
from bench.kit.images import Picture
from bench.kit.results import BenchError
from bench.kit.servers import ask
from bench.kit.tools import WARM_UP_S, run_wrk

MIN_REQUESTS, MAX_CLOSED_S = 30, 15.0
"""A closed loop lasts until so many requests have begun, or so many seconds at most."""

WARM_UP = 16, 2.0  # connections, seconds
OPEN_CONNECTIONS = 512
"""Most at once; a request that finds none waits, and its latency runs."""


@dataclass(frozen=True)
class Result:
    """What was seen of one load: its connections, or of an open loop the share of the capacity.

    The rate is of good answers, of an open loop what was offered; latencies below its own lateness
    mean nothing.
    """

    image: str
    load: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    late_p99_ms: float = 0.0


def drive_wrk(url: str, picture: Picture, connections: int, seconds: int) -> Result:
    """Let wrk, which leaves requests in flight, keep connections busy; ask once after each run."""
    run_wrk(url, picture, connections, WARM_UP_S)
    ask(f"{url}/predict", picture)
    seen = run_wrk(url, picture, connections, seconds)
    ask(f"{url}/predict", picture)
    return Result(picture.name, connections, errors=int(seen.pop("errors")), **seen)


def drive_counted(
    url: str, picture: Picture, connections: int, seconds: float, min_requests: int = MIN_REQUESTS
) -> Result:
    """Keep connections busy and count to the last answer: a fixed window loses a large batch."""
    numbers = count_until(seconds, min_requests, MAX_CLOSED_S)
    tally = asyncio.run(keep_busy(make_target(url, picture), connections, numbers))
    return summarize(tally, picture, connections, round(tally.good / tally.took_s, 2))


def drive_open(url: str, picture: Picture, share: float, rate: float, seconds: float) -> Result:
    """Offer so many requests a second; latencies count from when each was due."""
    tally = uvloop.run(offer(make_target(url, picture), rate, seconds, OPEN_CONNECTIONS))
    return summarize(tally, picture, share, round(rate, 1))


def summarize(tally: Tally, picture: Picture, load: float, rate: float) -> Result:
    """Return the result of a load; without a good answer there is none."""
    seconds = tally.seconds[HTTPStatus.OK]
    if not seconds:
        raise BenchError(f"no good answer for {picture.name}: {tally.failed}")
    late_ms = find_ms(tally.lateness, 99) if tally.lateness else 0.0
    latencies, errors = (find_ms(seconds, 50), find_ms(seconds, 99)), sum(tally.failed.values())
    return Result(picture.name, load, rate, *latencies, errors, late_ms)
