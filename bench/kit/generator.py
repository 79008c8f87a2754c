"""The load generator: closed and open loops over HTTP, or over whatever is sent.

A closed loop waits for a slow server and so hides its worst moments; in an open loop requests leave
by a Poisson schedule from a fixed seed, and a latency begins when its request was due
(https://www.scylladb.com/2021/04/22/on-coordinated-omission/).
"""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from http import HTTPStatus

import numpy as np

from bench.kit.client import NO_CONNECTION, UNANSWERED, Pool, Tally, Target, make_target
from bench.kit.connections import connect
from bench.kit.images import Picture

SEED = 11
RETRY_S = 0.1
"""Seconds until a client tries again after its connection was refused."""


def draw_schedule(rate: float, seconds: float, seed: int = SEED) -> list[float]:
    """Return when each request is due, in seconds after the start: a Poisson process."""
    generator = np.random.default_rng(seed)
    due = np.cumsum(generator.exponential(1 / rate, int(2 * rate * seconds) + 100))
    return [float(moment) for moment in due[due < seconds]]


def count_until(seconds: float, min_count: int = 0, max_s: float = math.inf) -> Iterator[int]:
    """Number requests for so many seconds, and on until enough have begun, within the maximum."""
    started = time.perf_counter()
    for number in itertools.count():
        elapsed_s = time.perf_counter() - started
        if elapsed_s >= max_s or (elapsed_s >= seconds and number >= min_count):
            return
        yield number


async def run_closed(
    send: Callable[[int], Awaitable[None]], clients: int, numbers: Iterable[int]
) -> float:
    """Let each client send one request after another; return the seconds to the last answer."""
    left, started = iter(numbers), time.perf_counter()

    async def send_in_turn() -> None:
        for number in left:
            await send(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(send_in_turn())
    return time.perf_counter() - started


async def run_open(
    send: Callable[[float], Coroutine[None, None, None]],
    schedule: Sequence[float],
    patience_s: float = math.inf,
) -> int:
    """Start each request when it is due, which ``send`` is told; return how many stay unanswered.

    The others are waited for, at most ``patience_s`` after the last request.
    """
    started = time.perf_counter()
    requests: list[asyncio.Task[None]] = []
    for due in schedule:
        await asyncio.sleep(started + due - time.perf_counter())
        requests.append(asyncio.create_task(send(started + due)))
    timeout = None if math.isinf(patience_s) else patience_s
    answered, unanswered = await asyncio.wait(requests, timeout=timeout)
    for request in unanswered:
        request.cancel()
    await asyncio.gather(*answered)
    await asyncio.gather(*unanswered, return_exceptions=True)
    return len(unanswered)


async def keep_busy(target: Target, clients: int, numbers: Iterable[int]) -> Tally:
    """Keep so many connections busy, each with one request at a time."""
    pool, tally = Pool(target.port, clients), Tally()

    async def send(_: int) -> None:
        sent = time.perf_counter()
        status = await pool.ask(target.request)
        tally.add(status, time.perf_counter() - sent)
        if status == NO_CONNECTION:
            await asyncio.sleep(RETRY_S)

    tally.took_s = await run_closed(send, clients, numbers)
    pool.close()
    return tally


async def offer(
    target: Target, rate: float, seconds: float, connections: int, patience_s: float = math.inf
) -> Tally:
    """Send requests on a Poisson schedule, whatever comes back; without a connection they wait."""
    pool, tally, ends = Pool(target.port, connections), Tally(), time.perf_counter() + seconds

    async def send(due: float) -> None:
        tally.lateness.append(time.perf_counter() - due)
        status = await pool.ask(target.request)
        tally.late += status == HTTPStatus.OK and time.perf_counter() > ends
        tally.add(status, time.perf_counter() - due)

    unanswered = await run_open(send, draw_schedule(rate, seconds), patience_s)
    tally.seconds[UNANSWERED] += [patience_s] * unanswered
    pool.close()
    return tally


async def disconnect(target: Target, count: int, clients: int) -> int:
    """Send requests and close each connection a moment later; return how many were answered."""
    answered = 0

    async def send_and_leave(number: int) -> None:
        nonlocal answered
        connection = await connect(target.port)
        answer = connection.send(target.request)
        await asyncio.wait([answer], timeout=0.002 * (1 + number % 5))
        answered += answer.done()
        answer.cancel()
        connection.close()

    await run_closed(send_and_leave, clients, range(count))
    return answered


async def stay_busy(url: str, picture: Picture, clients: int, seconds: float) -> Tally:
    """Send the picture over so many connections for so many seconds."""
    return await keep_busy(make_target(url, picture), clients, count_until(seconds))


async def stay_while_others_leave(
    url: str, picture: Picture, clients: int, seconds: float
) -> tuple[Tally, int]:
    """Keep connections busy while as many others close; return what came, and how many closed."""
    staying = asyncio.create_task(stay_busy(url, picture, clients, seconds))
    left = 0
    while not staying.done():
        left += 100 - await disconnect(make_target(url, picture), 100, clients)
    return await staying, left
