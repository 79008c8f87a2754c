"""Threads that fetch samples, each within a time: one that hangs holds up no other and no end.

Python waits at its exit for the threads of a ThreadPoolExecutor, but a read of a remote filesystem
may never return. These are daemons, and one that hangs is left behind.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

from app.datasets.sample import Sample
from app.errors import (
    DatasetError,
    DeadlineExceededError,
    InternalError,
    ProblemError,
    VitrineError,
)

FETCHERS = 32
"""Samples that are fetched at once: an object store takes some 50 ms for each, and what reads them
must not wait for its turn behind them."""

MAX_HUNG = 8 * FETCHERS
"""Threads that hang, from which on the storage is given up: each takes memory."""

Fetch = Callable[[Sample], bytes]
"""Gives the bytes of a sample, in a thread; raises ProblemError where it cannot be read."""


class Fetched(NamedTuple):
    """The bytes of a sample, and the seconds that they took; that of a problem has them, too."""

    data: bytes
    seconds: float


class FetchThreads:
    """Fetches samples for one event loop.

    Args:
        fetch: gives the bytes of a sample.
        timeout_s: of a fetch, from when a thread has begun it.
    """

    def __init__(self, fetch: Fetch, timeout_s: float) -> None:
        self._fetch = fetch
        self._timeout_s = timeout_s
        self._free = asyncio.Semaphore(FETCHERS)
        self._idle: list[_FetchThread] = []
        self._hung: list[_FetchThread] = []

    async def fetch(self, sample: Sample) -> Fetched:
        """Fetch a sample.

        Raises:
            DeadlineExceededError: it took too long.
            ProblemError: it cannot be read.
            DatasetError: too many fetches hang.
            VitrineError: what `fetch` raises.
        """
        async with self._free:
            thread = self._idle.pop() if self._idle else _FetchThread(self._fetch)
            future = asyncio.wrap_future(thread.begin(sample))
            try:
                await asyncio.wait([future], timeout=self._timeout_s)
            finally:
                self._take_back(thread, future)
        if future.cancelled():
            raise self._refuse(sample)
        return future.result()

    def close(self) -> None:
        """End the threads, those that hang as soon as they can."""
        for thread in self._idle:
            thread.end()
        self._idle.clear()

    def _take_back(self, thread: "_FetchThread", future: "asyncio.Future[Fetched]") -> None:
        """Keep a thread for the next sample, or let it end, whenever its fetch does."""
        if future.done() and future.exception() is None:
            self._idle.append(thread)
            return
        thread.end()
        if not future.done():
            future.cancel()
            self._hung = [one for one in (*self._hung, thread) if one.is_alive()]

    def _refuse(self, sample: Sample) -> VitrineError:
        """Say that a sample took too long, or that too many have."""
        took = f"{sample.path} cannot be read: it took longer than {self._timeout_s:g} s"
        if len(self._hung) < MAX_HUNG:
            refusal = DeadlineExceededError(f"{took}.")
            refusal.seconds = self._timeout_s
            return refusal
        return DatasetError(f"{took}, as {len(self._hung) - 1} others that hang still.")


class _FetchThread(Thread):
    """Fetches one sample at a time."""

    def __init__(self, fetch: Fetch) -> None:
        super().__init__(name="fetch", daemon=True)
        self._fetch = fetch
        self._begun: SimpleQueue[tuple[Sample, Future[Fetched]] | None] = SimpleQueue()
        self.start()

    def begin(self, sample: Sample) -> "Future[Fetched]":
        """Begin to fetch a sample."""
        future: Future[Fetched] = Future()
        future.set_running_or_notify_cancel()  # it cannot be cancelled
        self._begun.put((sample, future))
        return future

    def end(self) -> None:
        """End it after what it does now."""
        self._begun.put(None)

    def run(self) -> None:
        """Fetch until it is ended."""
        while begun := self._begun.get():
            _settle(*begun, self._fetch)
            del begun  # the bytes


def _settle(sample: Sample, future: "Future[Fetched]", fetch: Fetch) -> None:
    """Fetch a sample, and hand on what comes of it."""
    started = time.perf_counter()
    try:
        future.set_result(Fetched(fetch(sample), time.perf_counter() - started))
    except ProblemError as problem:
        problem.seconds = time.perf_counter() - started
        future.set_exception(problem)
    except (VitrineError, MemoryError, OSError, RuntimeError, ValueError) as exc:
        future.set_exception(exc)
    finally:
        if not future.done():  # the thread ends with a traceback, but nobody waits for it
            future.set_exception(InternalError(f"{sample.path} cannot be read."))
