"""Bulk requests: many images of one request, at most a batch of them in the core at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import TypeVar

from app.limits import Limits
from app.prediction.predictor import Predictor
from app.prediction.result import Classified
from schemas import PredictOptions

Read = Callable[[], Awaitable[bytes]]
"""Reads one image of the request; raises ProblemError."""

Result = TypeVar("Result")
Job = Callable[[], Awaitable[Result]]


def count_slots(limits: Limits) -> int:
    """Count the images of one request that may be in the core at once: those of a batch."""
    return min(limits.batch_size, limits.max_queue)


async def finish_each(jobs: AsyncIterable[Job[Result]], slots: int) -> AsyncGenerator[Result]:
    """Run jobs as they arrive and yield each result when it is ready; raises what a job raises.

    A slot stays taken until its result is consumed, so a slow consumer buffers at most `slots`
    results, and no job is read before a slot is free.
    """
    free = asyncio.Semaphore(slots)
    results: asyncio.Queue[tuple[Result] | None] = asyncio.Queue()

    async def do(job: Job[Result]) -> None:
        results.put_nowait((await job(),))

    async def begin() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                await free.acquire()
                async for job in jobs:
                    group.create_task(do(job))
                    await free.acquire()
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        finally:
            results.put_nowait(None)

    beginning = asyncio.create_task(begin())
    try:
        while (result := await results.get()) is not None:
            yield result[0]
            free.release()
        await beginning
    finally:
        beginning.cancel()
        await asyncio.gather(beginning, return_exceptions=True)


class BulkClassifier:
    """Classifies the images of one request, at most `count_slots` at once.

    Args:
        predictor: the core.
        options: for every image.
        deadline: of all images, by the event loop's clock.
    """

    def __init__(self, predictor: Predictor, options: PredictOptions, deadline: float) -> None:
        self._predictor = predictor
        self._options = options
        self._deadline = deadline
        self._slots = asyncio.Semaphore(count_slots(predictor.limits))

    async def classify(self, read: Read) -> Classified:
        """Read and classify one image when a slot is free; raises ProblemError."""
        async with self._slots:
            return await self._predictor.classify(await read(), self._options, self._deadline)
