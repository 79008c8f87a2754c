"""Bulk requests: many images of one request, at most a batch of them in the core at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from functools import partial

from app.errors import ProblemError
from app.limits import Limits
from app.prediction.predictor import Predictor
from app.prediction.result import Classified
from schemas import PredictOptions

Read = Callable[[], Awaitable[bytes]]
"""Reads one image of the request; raises ProblemError."""

Job = Callable[[], Awaitable[Classified]]
"""Reads and classifies one image of the request; raises ProblemError."""

Outcome = Classified | ProblemError
"""What became of one image."""


def classify_each(
    predictor: Predictor, reads: Iterable[Read], options: PredictOptions, deadline: float
) -> AsyncGenerator[tuple[int, Outcome]]:
    """Classify the images of one request, and yield as `finish_each` does.

    Args:
        predictor: the core.
        reads: the images.
        options: for every image.
        deadline: of all images, by the event loop's clock; one that is late gets that problem.
    """

    async def classify(read: Read) -> Classified:
        return await predictor.classify(await read(), options, deadline)

    async def list_jobs() -> AsyncGenerator[Job]:
        for read in reads:
            yield partial(classify, read)

    return finish_each(list_jobs(), predictor.limits)


async def finish_each(
    jobs: AsyncIterable[Job], limits: Limits
) -> AsyncGenerator[tuple[int, Outcome]]:
    """Run jobs as they arrive; yield the index and the outcome of each when it is ready.

    As many run at once as fit into a batch. A slot stays taken until its outcome is consumed, so a
    slow consumer buffers no more than that, and no job is read before a slot is free. An error that
    comes from `jobs`, or from a job and is no ProblemError, ends all of them and is raised.
    """
    free = asyncio.Semaphore(min(limits.batch_size, limits.max_queue))
    outcomes: asyncio.Queue[tuple[int, Outcome] | None] = asyncio.Queue()

    async def do(index: int, job: Job) -> None:
        outcomes.put_nowait((index, await _run(job)))

    async def begin() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                index = 0
                await free.acquire()
                async for job in jobs:
                    group.create_task(do(index, job))
                    index += 1
                    await free.acquire()
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        finally:
            outcomes.put_nowait(None)

    beginning = asyncio.create_task(begin())
    try:
        while (outcome := await outcomes.get()) is not None:
            yield outcome
            free.release()
        await beginning
    finally:
        beginning.cancel()
        await asyncio.gather(beginning, return_exceptions=True)


async def _run(job: Job) -> Outcome:
    """Run a job; gives its problem where it raises one."""
    try:
        return await job()
    except ProblemError as problem:
        # A new one: the traceback would keep the image in memory until the outcome is consumed.
        return type(problem)(str(problem))
