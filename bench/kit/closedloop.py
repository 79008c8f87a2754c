"""A closed loop that counts to the last answer, for what goes at some images a second.

A batch of that takes seconds, so a window that ends at a fixed time loses up to one batch, and
the larger a server's batches the more it loses. Here no request begins after the window and the
rate is taken when the last answer is there. Knows an address, not a server.
"""

import asyncio
import time
from dataclasses import dataclass

import numpy as np

from bench.kit.connections import Pool, prepare_request
from bench.kit.images import Picture
from bench.kit.servers import BenchError
from bench.kit.wrk import Load, Result

WANTED = 30
LONGEST_S = 15.0
WARM_UP = 16, 2.0  # connections, seconds


@dataclass(frozen=True)
class Window:
    """For how long requests begin: the seconds, and on until enough have, within the longest."""

    seconds: float
    wanted: int = WANTED
    longest_s: float = LONGEST_S

    def is_over(self, elapsed_s: float, begun: int) -> bool:
        """Say whether no further request begins."""
        is_enough = elapsed_s >= self.seconds and begun >= self.wanted
        return is_enough or elapsed_s >= self.longest_s


async def keep_busy(pool: Pool, connections: int, window: Window) -> tuple[list[float], int, float]:
    """Return the latencies in seconds of good answers, the errors and the seconds of it all."""
    latencies: list[float] = []
    begun, errors, started = 0, 0, time.perf_counter()

    async def ask_again_and_again() -> None:
        nonlocal begun, errors
        while not window.is_over((sent := time.perf_counter()) - started, begun):
            begun += 1
            if await pool.exchange():
                latencies.append(time.perf_counter() - sent)
            else:
                errors += 1

    await asyncio.gather(*(ask_again_and_again() for _ in range(connections)))
    return latencies, errors, time.perf_counter() - started


async def count(url: str, load: Load, window: Window) -> Result:
    """Put the load on ``url`` and return what was seen."""
    pool = Pool(prepare_request(url, load.picture), load.concurrency)
    latencies, errors, seconds = await keep_busy(pool, load.concurrency, window)
    pool.close()
    if not latencies:
        raise BenchError(f"no good answer among {errors} to {load.picture.name}, closed loop")
    p50, p99 = np.percentile(latencies, (50, 99)) * 1e3
    return Result(
        load.picture.name,
        load.concurrency,
        round(len(latencies) / seconds, 2),
        round(float(p50), 2),
        round(float(p99), 2),
        errors,
    )


def drive_counted(url: str, load: Load) -> Result:
    """Return what was seen of the load, counted to the last answer."""
    return asyncio.run(count(url, load, Window(load.seconds)))


def warm_up(url: str, picture: Picture) -> None:
    """Have the server meet batches before anything is measured."""
    asyncio.run(count(url, Load(picture, WARM_UP[0], 0), Window(WARM_UP[1], wanted=0)))
