"""The load generator: closed and open loops over whatever is sent.

A closed loop waits for a slow server and so hides its worst moments; in an open loop requests leave
by a Poisson schedule from a fixed seed, and a latency begins when its request was due
(https://www.scylladb.com/2021/04/22/on-coordinated-omission/).
"""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence

import numpy as np

SEED = 11


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

    The others are waited for, at most ``patience_s`` after the last request. When this is
    cancelled, so are all requests.
    """
    started = time.perf_counter()
    requests: set[asyncio.Task[None]] = set()

    def forget(request: asyncio.Task[None]) -> None:
        if not request.cancelled() and request.exception() is None:
            requests.discard(request)

    try:
        for due in schedule:
            await asyncio.sleep(started + due - time.perf_counter())
            requests.add(request := asyncio.create_task(send(started + due)))
            request.add_done_callback(forget)
        timeout = None if math.isinf(patience_s) else patience_s
        answered, unanswered = (
            await asyncio.wait(requests, timeout=timeout) if requests else (set(), set())
        )
        await asyncio.gather(*answered)
    finally:
        for request in requests:
            request.cancel()
    # One that ends by itself in the moment in which it is cancelled has told what came of it.
    ends = await asyncio.gather(*unanswered, return_exceptions=True)
    return sum(isinstance(end, BaseException) for end in ends)
