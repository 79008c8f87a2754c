"""A few samples of a dataset, which are fetched to look at them, and not for a result."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Generic, TypeVar

from app.datasets.fetch_queue import Fetch
from app.datasets.fetch_threads import FETCHERS, FetchThreads
from app.datasets.sample import Sample
from app.errors import DatasetError, DeadlineExceededError, ProblemError

Seen = TypeVar("Seen")

MAX_LATE = 8
"""Samples that take too long, after which no other is fetched: their storage may hang."""


def look_at(
    samples: Sequence[Sample], fetch: Fetch, timeout_s: float, look: Callable[[bytes], Seen]
) -> list[Seen | None]:
    """Fetch samples in the order of their files and rows, and look at each.

    Args:
        samples: in any order.
        fetch: gives the bytes of a sample.
        timeout_s: of a fetch.
        look: gives what is seen in the bytes; may raise ProblemError.

    Returns:
        What was seen in each, in the order of `samples`; None where it is gone, damaged or late.
    """
    with closing(FetchThreads(fetch, timeout_s)) as threads:
        return asyncio.run(_Looking(threads, look).run(samples))


class _Looking(Generic[Seen]):
    """Some samples that are looked at."""

    def __init__(self, threads: FetchThreads, look: Callable[[bytes], Seen]) -> None:
        self._threads = threads
        self._look = look
        self._free = asyncio.Semaphore(FETCHERS)
        self._late = 0

    async def run(self, samples: Sequence[Sample]) -> list[Seen | None]:
        """Look at samples; as `look_at`."""
        order = sorted(range(len(samples)), key=lambda at: (samples[at].uri, samples[at].row))
        seen = await asyncio.gather(*(self._see(samples[place]) for place in order))
        return [one for _, one in sorted(zip(order, seen, strict=True), key=lambda pair: pair[0])]

    async def _see(self, sample: Sample) -> Seen | None:
        """Look at a sample, unless too many were late."""
        async with self._free:
            if self._late >= MAX_LATE:
                return None
            try:
                return self._look((await self._threads.fetch(sample)).data)
            except (DeadlineExceededError, DatasetError):
                self._late += 1
            except ProblemError:
                pass
            return None
