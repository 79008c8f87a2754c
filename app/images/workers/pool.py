"""Images are read in worker processes: within a time, and without harm to the service.

A thread could not be stopped, and would take the whole service along where a decoder crashes. It
would also share one interpreter lock with the event loop.

**An idle worker takes its share of what waits as one message, and answers it in one.** So a lone
image is read at once; under load, messages and iterations of the event loop are shared.
"""

import asyncio
import logging
from contextvars import Context
from functools import partial

from prometheus_client import Counter, Gauge

from app.backend import Geometry
from app.errors import ProblemError, UndecodableImageError
from app.images.reader import ImageReader, Reading
from app.images.workers.messages import Outcome
from app.images.workers.process import WorkerProcess
from app.images.workers.read_queue import Group, QueuedImage, ReadQueue, Waiter
from app.limits import Limits
from app.observability.metrics import REGISTRY

GROUP_TIMEOUT_S = 1.0
"""Seconds after which a group of more than one image is given up, and read one by one."""

MAX_FAILURES = 2
"""Workers that an image ends, alone, until it is refused: the first may have had another cause."""

_processes = Gauge("vitrine_reading_processes", "Processes that read images.", registry=REGISTRY)
_busy = Gauge(
    "vitrine_reading_processes_busy", "Processes that read images now.", registry=REGISTRY
)
_ends = Counter(
    "vitrine_reading_process_ends",
    "Processes that ended while they read, by reason: timeout or crash. Another takes over.",
    ["reason"],
    registry=REGISTRY,
)
_timeouts, _crashes = _ends.labels("timeout"), _ends.labels("crash")

_logger = logging.getLogger("vitrine.prediction")


class ProcessReader:
    """A Reader in as many workers as `limits.readers`, which start with the first `warm_up`.

    A worker that takes longer than `limits.decode_timeout_s` for an image is ended, and the next
    image gets a new one. The images of a group that ended its worker, or took too long, are read
    again one by one, so that only the image that is to blame is refused. A worker that cannot be
    started rests until the group of another one has ended; when none is left, its images are
    refused.
    """

    def __init__(self, limits: Limits) -> None:
        self._images = ImageReader(limits)
        self._timeout_s = limits.decode_timeout_s
        self._workers = [WorkerProcess(limits) for _ in range(limits.readers)]
        self._idle: list[WorkerProcess] = []
        self._resting: list[WorkerProcess] = []
        self._queue = ReadQueue(limits.readers)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_warm = False

    async def warm_up(self, geometry: Geometry) -> None:
        """Start the workers for images of this geometry; another one comes with its images.

        Raises:
            ModelUnavailableError: a worker cannot be started.
        """
        if self._is_warm:
            return
        started = (worker.warm_up(geometry) for worker in self._workers)
        for failure in await asyncio.gather(*started, return_exceptions=True):  # waits for all
            if failure is not None:
                raise failure
        self._is_warm = True
        _processes.set(len(self._workers))
        self._idle = list(self._workers)
        self._start_groups()

    async def read(self, data: bytes, geometry: Geometry) -> Reading:
        """Read one encoded image, a small one in this process; raises ProblemError.

        An image whose caller is cancelled before a worker is idle is not read.
        """
        image = self._images.open_inline(data, geometry)
        if image is not None:
            return self._images.read(image, geometry)
        waiter = self._queue.add(data, geometry)
        self._start_groups()
        try:
            return await waiter
        finally:
            self._queue.remove(waiter)
            del waiter  # its error has a traceback, that this frame, and this frame the image

    def close(self) -> None:
        """End the workers; images that wait or are being read are cancelled."""
        self._queue.cancel()
        for task in self._tasks:
            task.cancel()
        for worker in self._workers:
            worker.end()

    def _start_groups(self) -> None:
        """Give each idle worker its share of what waits."""
        while self._idle and (group := self._queue.take()):
            task = asyncio.create_task(self._read_group(self._idle.pop(), group), context=Context())
            self._tasks.add(task)  # the loop holds tasks weakly
            task.add_done_callback(partial(self._finish, group))

    async def _read_group(self, worker: WorkerProcess, group: Group) -> None:
        """Read a group, set what became of its images, and put back those that were not read."""
        _busy.inc()
        try:
            outcomes = await self._ask(worker, group)
            for waiter, outcome in zip(list(group), outcomes, strict=False):
                _answer(waiter, outcome)
                del group[waiter]
            self._queue.put_back(group)
            group.clear()
        finally:
            _busy.dec()
            if worker not in self._resting:
                self._idle = [*self._resting, *self._idle, worker]  # the last one is used first
                self._resting.clear()
            self._start_groups()

    def _finish(self, group: Group, task: asyncio.Task[None]) -> None:
        """Tell who still waits for an image of the group what has ended its task."""
        self._tasks.discard(task)
        for waiter in group:
            if task.cancelled():
                waiter.cancel()
            elif error := task.exception():
                _answer(waiter, error)

    async def _ask(self, worker: WorkerProcess, group: Group) -> list[Outcome]:
        """Have a worker read a group; returns the outcomes of the first images of the group."""
        images = list(group.values())
        data, is_alone = [image.data for image in images], len(images) == 1
        timeout_s = self._timeout_s if is_alone else min(self._timeout_s, GROUP_TIMEOUT_S)
        try:
            outcomes, seconds = await worker.read(data, images[0].geometry, timeout_s)
        except ProblemError as problem:
            if len(self._resting) < len(self._workers) - 1:
                self._resting.append(worker)
                return []
            return [type(problem)(str(problem)) for _ in images]
        except (OSError, EOFError) as failure:
            (_timeouts if isinstance(failure, TimeoutError) else _crashes).inc()
            refusal = self._find_blame(images[0], failure) if is_alone else None
            if refusal is not None:
                return [refusal]
            _logger.warning("a process that reads images has ended; another takes over")
            _suspect(group, worker.position)
            return []
        if all(isinstance(outcome, Reading) for outcome in outcomes):
            self._queue.note_time(images[: len(outcomes)], seconds)
        return outcomes

    def _find_blame(
        self, image: QueuedImage, failure: OSError | EOFError
    ) -> UndecodableImageError | None:
        """Refuse an image that a worker has failed on alone; None while it may not be to blame."""
        if isinstance(failure, TimeoutError):
            took = f"The image took longer than {self._timeout_s:g} s to decode."
            refusal = UndecodableImageError(f"{took} Send a smaller or simpler one.")
            refusal.seconds = self._timeout_s
            return refusal
        image.failures += 1
        if image.failures < MAX_FAILURES:
            return None
        message = "The image ends the process that decodes it, so it is taken for corrupt."
        return UndecodableImageError(message)


def _suspect(group: Group, position: int) -> None:
    """Have the images of a group read alone, the one that was being read as the last."""
    for image in group.values():
        image.is_suspect = True
    waiters = list(group)
    last = waiters[min(position, len(waiters) - 1)]
    group[last] = group.pop(last)


def _answer(waiter: Waiter, outcome: Outcome | BaseException) -> None:
    """Set the outcome of an image, unless its caller was cancelled."""
    if waiter.done():
        return
    if isinstance(outcome, BaseException):
        waiter.set_exception(outcome)
    else:
        waiter.set_result(outcome)
