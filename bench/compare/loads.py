"""The loads of the comparison and what was seen of each."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import uvloop

from app.client.generator import count_until
from bench.kit.client import Tally, find_ms, make_target
from bench.kit.generator import keep_busy, offer
from bench.kit.images import Picture
from bench.kit.results import BenchError
from bench.kit.servers import Running, ask, read_cpu_s
from bench.kit.tools import WARM_UP_S, run_wrk

MIN_REQUESTS, MAX_CLOSED_S = 20, 15.0
"""A closed loop lasts until so many requests have begun, or so many seconds at most."""

WARM_UP = 16, 2.0  # connections, seconds
OPEN_CONNECTIONS = 512
"""Most at once; a request that finds none waits, and its latency runs."""


@dataclass(frozen=True)
class Result:
    """What was seen of one load: its connections, or of an open loop the share of the capacity.

    The rate is of good answers, of an open loop what was offered; latencies below its own lateness
    mean nothing. The CPU time is that of all the server's processes for each good answer.
    """

    image: str
    load: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_ms: float
    late_p99_ms: float = 0.0


def drive_wrk(running: Running, picture: Picture, connections: int, seconds: int) -> Result:
    """Let wrk, which leaves requests in flight, keep connections busy; ask once after each run.

    What the requests in flight at its end have cost counts, their answers do not.
    """
    url = running.server.url
    run_wrk(url, picture, connections, WARM_UP_S)
    ask(f"{url}/predict", picture)
    cpu_s = read_cpu_s(running.service)
    seen = run_wrk(url, picture, connections, seconds)
    cpu_ms = 1e3 * (read_cpu_s(running.service) - cpu_s) / max(1, seen.pop("good"))
    ask(f"{url}/predict", picture)
    errors = int(seen.pop("errors"))
    return Result(picture.name, connections, errors=errors, cpu_ms=round(cpu_ms, 2), **seen)


def drive_counted(
    running: Running,
    picture: Picture,
    connections: int,
    seconds: float,
    min_requests: int = MIN_REQUESTS,
) -> Result:
    """Keep connections busy and count to the last answer: a fixed window loses a large batch."""
    numbers = count_until(seconds, min_requests, MAX_CLOSED_S)
    target, cpu_s = make_target(running.server.url, picture), read_cpu_s(running.service)
    tally = asyncio.run(keep_busy(target, connections, numbers))
    cpu_s = read_cpu_s(running.service) - cpu_s
    return summarize(tally, picture, connections, cpu_s, round(tally.good / tally.took_s, 2))


def drive_open(
    running: Running, picture: Picture, share: float, rate: float, seconds: float
) -> Result:
    """Offer so many requests a second; latencies count from when each was due."""
    target, cpu_s = make_target(running.server.url, picture), read_cpu_s(running.service)
    tally = uvloop.run(offer(target, rate, seconds, OPEN_CONNECTIONS))
    cpu_s = read_cpu_s(running.service) - cpu_s
    return summarize(tally, picture, share, cpu_s, round(rate, 1))


def summarize(tally: Tally, picture: Picture, load: float, cpu_s: float, rate: float) -> Result:
    """Return the result of a load; without a good answer there is none."""
    seconds = tally.seconds[HTTPStatus.OK]
    if not seconds:
        raise BenchError(f"no good answer for {picture.name}: {tally.failed}")
    late_ms = find_ms(tally.lateness, 99) if tally.lateness else 0.0
    latencies, errors = (find_ms(seconds, 50), find_ms(seconds, 99)), sum(tally.failed.values())
    cpu_ms = round(1e3 * cpu_s / len(seconds), 2)
    return Result(picture.name, load, rate, *latencies, errors, cpu_ms, late_ms)
