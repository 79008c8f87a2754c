"""Many images, scored in this process as the service would: same reader, same engine, no Ray.

Images are read in worker processes while the model runs on those that were read before. So a
decoder that crashes or hangs costs one image, and memory is bounded whatever their number.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np

from app.backend import Group, Logits, Pixels
from app.classifier.model import Model
from app.datasets.fetch_queue import Fetch
from app.datasets.fetch_threads import FetchThreads
from app.datasets.sample import Sample
from app.errors import ProblemError
from app.images.formats import load_heif
from app.images.reader import Reading
from app.images.workers.pool import ProcessReader
from app.limits import Limits
from app.offline.task_errors import unwrap_groups
from app.prediction.scores import check_logits

AHEAD = 4
"""Batches of images that are held at most: fetched, being read, and read."""

Tell = Callable[["ScoredSample"], None]
"""Is called with each result as it comes, in any order."""


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """What became of a sample.

    Attributes:
        sample: as given.
        problem: why there are no logits; None where there are.
        logits: `[labels]` float32, finite; None where there is a problem.
        size: width and height of the image, upright; 0 where it could not be read.
        format: such as JPEG; empty where it could not be read.
        seconds: that the file itself took: to be fetched, and of CPU to be read. It does not count
            where it has waited for others.
    """

    sample: Sample
    problem: ProblemError | None = None
    logits: Logits | None = None
    size: tuple[int, int] = (0, 0)
    format: str = ""
    seconds: float = 0.0


class BulkScorer:
    """Scores samples with one model; for one thread at a time.

    Args:
        model: warmed up.
        limits: of an image, which may take `timeout_s` to be fetched, and how many are read and run
            at once.
        fetch: gives the bytes of a sample.

    Raises:
        ModelUnavailableError: a process that reads images cannot be started.
    """

    def __init__(self, model: Model, limits: Limits, fetch: Fetch) -> None:
        load_heif()
        self.model = model
        self._batch_size = limits.batch_size
        self._reader = ProcessReader(limits)
        self._runner = asyncio.Runner()
        self._threads = FetchThreads(fetch, limits.timeout_s)
        try:
            self._runner.run(self._reader.warm_up(model.description.geometry))
        except ProblemError:
            self.close()
            raise

    def score(self, samples: Sequence[Sample], tell: Tell | None = None) -> list[ScoredSample]:
        """Score samples; gives one result for each, in their order.

        Args:
            samples: any number of them.
            tell: is called with each result as it comes.

        Raises:
            ModelUnavailableError: the device is lost.
            DatasetError: too many fetches hang.
            VitrineError: what `fetch` raises and is no ProblemError.
        """
        with unwrap_groups():
            return self._runner.run(self._score(samples, tell))

    def close(self) -> None:
        """End the processes that read images, and the threads; one that hangs is left behind."""
        self._reader.close()
        self._threads.close()
        self._runner.close()

    async def _score(self, samples: Sequence[Sample], tell: Tell | None) -> list[ScoredSample]:
        """Read and score, both at the same time."""
        call = _Call(len(samples), self._batch_size, tell)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_all(samples, call))
            tasks.create_task(self._score_ready(call))
        return cast("list[ScoredSample]", call.results)

    async def _read_all(self, samples: Sequence[Sample], call: "_Call") -> None:
        """Read the samples, ahead of the model but not too far."""
        async with asyncio.TaskGroup() as tasks:
            for index, sample in enumerate(samples):
                await call.free.acquire()
                tasks.create_task(self._read(index, sample, call))
        call.ready.put_nowait(None)

    async def _read(self, index: int, sample: Sample, call: "_Call") -> None:
        """Read a sample, or note why it cannot be."""
        fetch_s = 0.0
        try:
            data, fetch_s = await self._threads.fetch(sample)
            reading = await self._reader.read(data, self.model.description.geometry)
        except ProblemError as problem:
            call.set(index, ScoredSample(sample, problem, seconds=fetch_s + problem.seconds))
        else:
            call.ready.put_nowait(_Ready(index, sample, reading, fetch_s + reading.seconds))

    async def _score_ready(self, call: "_Call") -> None:
        """Score what is ready, a batch at a time, until all samples are."""
        while batch := await call.take(self._batch_size):
            description = self.model.description
            pixels = cast("Pixels", np.stack([one.reading.pixels for one in batch]))
            about = (description.revision, description.geometry)
            group = Group(pixels, *about, temperature=description.temperature)
            (scored,) = await asyncio.to_thread(self.model.score, [group])
            assert scored.logits is not None  # noqa: S101 - the geometry is the model's
            for one, logits in zip(batch, scored.logits, strict=True):
                call.set(one.place, _finish(one, logits))


class _Ready(NamedTuple):
    """A sample that was read, and its place among the results."""

    place: int
    sample: Sample
    reading: Reading
    seconds: float


class _Call:
    """The samples of one call: what is ready for the model, and the results."""

    def __init__(self, count: int, batch_size: int, tell: Tell | None) -> None:
        self._tell = tell
        self.results: list[ScoredSample | None] = [None] * count
        self.ready: asyncio.Queue[_Ready | None] = asyncio.Queue()
        self.free = asyncio.Semaphore(AHEAD * batch_size)

    def set(self, index: int, scored: ScoredSample) -> None:
        """Set a result, which makes room for another sample."""
        self.results[index] = scored
        self.free.release()
        if self._tell is not None:
            self._tell(scored)

    async def take(self, most: int) -> list[_Ready]:
        """Take what is ready, at least one; none at the end."""
        batch: list[_Ready] = []
        one = await self.ready.get()
        while one is not None:
            batch.append(one)
            if len(batch) == most or self.ready.empty():
                return batch
            one = self.ready.get_nowait()
        if batch:
            self.ready.put_nowait(None)  # the end, for the next call
        return batch


def _finish(one: _Ready, logits: Logits) -> ScoredSample:
    """Make the result of a sample that was scored."""
    reading = one.reading
    try:
        check_logits(logits)
    except ProblemError as problem:
        return ScoredSample(one.sample, problem, None, reading.size, reading.format, one.seconds)
    return ScoredSample(one.sample, None, logits, reading.size, reading.format, one.seconds)
