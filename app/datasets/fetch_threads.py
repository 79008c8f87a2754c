"""Fetches samples in threads, each within a time: one that hangs holds up no other and no end."""

import asyncio

from app.datasets.fetch_queue import Fetch, Fetched, FetchQueue, FetchThread, Task
from app.datasets.sample import Sample
from app.errors import DatasetError, DeadlineExceededError, VitrineError

FETCHERS = 32
"""Files that are fetched at once: an object store takes some 50 ms for each, and what reads them
must not wait for its turn behind them."""

MAX_HUNG = 8 * FETCHERS
"""Threads that hang, from which on the storage is given up: each takes memory."""

MAX_HUNG_ROWS = 8
"""Rows of one table that hang, from which on the table is given up: they hang one by one."""


class FetchThreads:
    """Fetches samples for one event loop: files at once, and rows of a table one after the other.

    A table is read forwards, so its rows would only wait for each other in their threads, and one
    that takes long would use up the time of all.

    Args:
        fetch: gives the bytes of a sample.
        timeout_s: of a fetch, from when a thread has begun it.
    """

    def __init__(self, fetch: Fetch, timeout_s: float) -> None:
        self._fetch = fetch
        self._timeout_s = timeout_s
        self._queues: dict[str, FetchQueue] = {}
        self._hung: list[tuple[FetchThread, str]] = []

    async def fetch(self, sample: Sample) -> Fetched:
        """Fetch a sample.

        Raises:
            DeadlineExceededError: it took too long.
            ProblemError: it cannot be read.
            DatasetError: too many fetches hang.
            VitrineError: what `fetch` raises.
        """
        name = _name_table(sample)
        if name not in self._queues:
            self._queues[name] = FetchQueue(self._fetch, 1 if name else FETCHERS)
        queue = self._queues[name]
        task = queue.add(sample)
        future = asyncio.wrap_future(task.future)
        try:
            await self._wait(future, task)
        finally:
            future.cancel()
            self._settle(queue, task, name)
        if future.cancelled():
            raise self._refuse(sample)
        return future.result()

    def close(self) -> None:
        """End the threads, those that hang as soon as they can."""
        for queue in self._queues.values():
            queue.close()
        self._queues.clear()

    async def _wait(self, future: "asyncio.Future[Fetched]", task: Task) -> None:
        """Wait until a task is done or its time is over."""
        while not future.done() and (left := task.count_left(self._timeout_s)) > 0:
            await asyncio.wait([future], timeout=left)

    def _settle(self, queue: FetchQueue, task: Task, name: str) -> None:
        """Note the thread of a task if it hangs, and end the queue of a table without tasks."""
        hung = queue.settle(task)
        if hung is not None:
            self._hung = [one for one in (*self._hung, (hung, name)) if one[0].is_alive()]
            if self._count_lost(name):
                queue.drop()
        if name and not queue.open and self._queues.get(name) is queue:
            self._queues.pop(name).close()

    def _refuse(self, sample: Sample) -> VitrineError:
        """Say that a sample took too long, or that too many have."""
        took = f"{sample.path} cannot be read: it took longer than {self._timeout_s:g} s"
        if count := self._count_lost(_name_table(sample)):
            return DatasetError(f"{took}, as {count - 1} others that hang still.")
        refusal = DeadlineExceededError(f"{took}.")
        refusal.seconds = self._timeout_s
        return refusal

    def _count_lost(self, table: str) -> int:
        """Count the fetches that hang, where they are too many to go on; else 0."""
        rows = sum(name == table for _, name in self._hung) if table else 0
        if rows >= MAX_HUNG_ROWS:
            return rows
        return len(self._hung) if len(self._hung) >= MAX_HUNG else 0


def _name_table(sample: Sample) -> str:
    """Name the table of a sample; empty for a file."""
    return sample.uri if sample.row >= 0 else ""
