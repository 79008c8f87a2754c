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

FEWEST, LONGEST_S = 30, 15.0
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
    url: str, picture: Picture, connections: int, seconds: float, fewest: int = FEWEST
) -> Result:
    """Keep connections busy and count to the last answer: a fixed window loses a large batch."""
    numbers = count_until(seconds, fewest, LONGEST_S)
    tally = asyncio.run(keep_busy(make_target(url, picture), connections, numbers))
    p50, p99 = summarize(tally, picture)
    rate = round(tally.good / tally.took_s, 2)
    return Result(picture.name, connections, rate, p50, p99, sum(tally.failed.values()))


def drive_open(url: str, picture: Picture, share: float, rate: float, seconds: float) -> Result:
    """Offer so many requests a second; latencies count from when each was due."""
    tally = uvloop.run(offer(make_target(url, picture), rate, seconds, OPEN_CONNECTIONS))
    p50, p99 = summarize(tally, picture)
    errors, late = sum(tally.failed.values()), find_ms(tally.lateness, 99)
    return Result(picture.name, share, round(rate, 1), p50, p99, errors, late)


def summarize(tally: Tally, picture: Picture) -> tuple[float, float]:
    """Return the p50 and the p99 of the good answers; none at all is no result."""
    seconds = tally.seconds[HTTPStatus.OK]
    if not seconds:
        raise BenchError(f"no good answer for {picture.name}: {tally.failed}")
    return find_ms(seconds, 50), find_ms(seconds, 99)
