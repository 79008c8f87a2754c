"""A queue of samples, and the threads that fetch them from it.

Python waits at its exit for the threads of a ThreadPoolExecutor, but a read of a remote filesystem
may never return. These are daemons, and one that hangs is left behind.
"""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from app.datasets.sample import Sample
from app.errors import InternalError, ProblemError, VitrineError

Fetch = Callable[[Sample], bytes]
"""Gives the bytes of a sample, in a thread; raises ProblemError where it cannot be read."""


class Fetched(NamedTuple):
    """The bytes of a sample, and the seconds that they took; that of a problem has them, too."""

    data: bytes
    seconds: float


@dataclass(slots=True)
class Task:
    """A sample to fetch.

    Attributes:
        sample: itself.
        future: what comes of it; one that is cancelled before a thread takes it is not fetched.
        thread: that has taken it; None while it waits.
        began: when that was, by `time.perf_counter`.
    """

    sample: Sample
    future: "Future[Fetched]" = field(default_factory=Future)
    thread: "FetchThread | None" = None
    began: float = 0.0

    def count_left(self, timeout_s: float) -> float:
        """Count the seconds that are left of its time, which begins when a thread takes it."""
        return timeout_s - (time.perf_counter() - self.began if self.thread else 0.0)

    def run(self, fetch: Fetch) -> None:
        """Fetch the sample, and hand on what comes of it."""
        try:
            data = fetch(self.sample)
            self.future.set_result(Fetched(data, time.perf_counter() - self.began))
        except ProblemError as problem:
            problem.seconds = time.perf_counter() - self.began
            self.future.set_exception(problem)
        except (VitrineError, MemoryError, OSError, RuntimeError, ValueError) as exc:
            self.future.set_exception(exc)


class FetchQueue:
    """Samples that wait, and their threads, which are started as they are needed.

    Args:
        fetch: gives the bytes of a sample.
        most: threads that fetch at once.

    Attributes:
        open: tasks that are not done.
    """

    def __init__(self, fetch: Fetch, most: int) -> None:
        self._fetch = fetch
        self._most = most
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[FetchThread] = []
        self.open = 0

    def add(self, sample: Sample) -> Task:
        """Add a sample; its caller calls `settle` in the end."""
        task = Task(sample)
        self.open += 1
        self._tasks.put(task)
        self._start_threads()
        return task

    def settle(self, task: Task) -> "FetchThread | None":
        """Count a task as done; gives the thread that hangs, whose place another one takes."""
        self.open -= 1
        task.future.cancel()  # which does nothing once a thread has taken it
        thread, has_ended = task.thread, task.future.done()
        if thread is None or (has_ended and not thread.is_left):
            return None
        thread.is_left = True
        self._threads = [one for one in self._threads if not one.is_left]
        self._start_threads()
        return None if has_ended else thread

    def drop(self) -> None:
        """Cancel the tasks that wait for a thread."""
        with contextlib.suppress(Empty):
            while task := self._tasks.get_nowait():
                task.future.cancel()

    def close(self) -> None:
        """End the threads, those that hang as soon as they can."""
        self._tasks.put(None)

    def _start_threads(self) -> None:
        """Start a thread where more tasks are open than there are threads."""
        if len(self._threads) < min(self.open, self._most):
            self._threads.append(FetchThread(self._fetch, self._tasks))


class FetchThread(Thread):
    """Fetches one sample at a time.

    Attributes:
        is_left: whether it ends after the sample that it has.
    """

    def __init__(self, fetch: Fetch, tasks: "SimpleQueue[Task | None]") -> None:
        super().__init__(name="fetch", daemon=True)
        self._fetch = fetch
        self._tasks = tasks
        self.is_left = False
        self.start()

    def run(self) -> None:
        """Fetch until the queue is closed, which each thread tells the next."""
        while not self.is_left:
            task = self._tasks.get()
            if task is None:
                self._tasks.put(None)
                return
            if task.future.set_running_or_notify_cancel():
                self._take(task)
            del task  # the bytes

    def _take(self, task: Task) -> None:
        """Fetch a sample; after an error that nobody has foreseen this thread ends."""
        task.began, task.thread = time.perf_counter(), self
        try:
            task.run(self._fetch)
        finally:
            if not task.future.done():  # what failed is printed, and its caller told
                self.is_left = True
                task.future.set_exception(InternalError(f"{task.sample.path} cannot be read."))
