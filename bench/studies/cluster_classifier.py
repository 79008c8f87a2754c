"""The classifiers of a simulated cluster, and its shape. Real is the `BatchGate`."""

import asyncio
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass, field

from app.deployments.batch_gate import BatchGate
from bench.studies.cluster_parts import Costs, Process
from bench.studies.policies import Gpu

BATCH = 32
"""Most images of a group and of a batch (VITRINE_BATCH_SIZE)."""


@dataclass(frozen=True)
class Shape:
    """A cluster.

    Attributes:
        as_it_was: before the study: each ingress counts all classifiers as its own for its groups,
            and a classifier forms a batch at once.
        is_reloaded: whether all fronts have just reloaded, and so begin with the same server.
    """

    nodes: int
    ingresses: int
    classifiers: int
    gpu: Gpu
    as_it_was: bool = False
    is_reloaded: bool = False
    costs: Costs = field(default_factory=Costs)


Queued = tuple[int, asyncio.Future[None]]
"""The images of a group, and what its sender waits for."""


class SimulatedClassifier(Process):
    """The shape of `app.deployments.Classifier`: a gate, and batches as `@serve.batch` makes.

    With a wait of 0, Serve (batching.py:483) makes a batch of what has come since its last look and
    queues it for the model; a batch that waits does not grow.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._costs, self._gpu = shape.costs, shape.gpu
        self._gate = None if shape.as_it_was else BatchGate(BATCH, 1)
        self._queue: deque[Queued] = deque()
        self._model = asyncio.Lock()
        self._batches: set[asyncio.Task[None]] = set()
        self.groups = self.batches = self.images = 0

    async def score(self, images: int) -> None:
        """Score a group; raises ConnectionError when the replica dies."""
        await self.hold(self._score(images))

    async def _score(self, images: int) -> None:
        """Pass the gate, and wait for the batch."""
        await self.core.work(self._costs.group)
        self.groups += 1
        async with self._gate.enter(images) if self._gate else nullcontext():
            loop = asyncio.get_running_loop()
            scored = loop.create_future()
            if not self._queue:
                loop.call_soon(self._form)
            self._queue.append((images, scored))
            await scored

    def _form(self) -> None:
        """Make batches of what waits, of at most BATCH images."""
        while self._queue:
            batch = [self._queue.popleft()]
            while self._queue and sum(size for size, _ in [*batch, self._queue[0]]) <= BATCH:
                batch.append(self._queue.popleft())
            task = asyncio.create_task(self._run(batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _run(self, batch: list[Queued]) -> None:
        """Take the model's time, after the batches before, and answer."""
        async with self._model:
            images = sum(size for size, scored in batch if not scored.done())
            if images:
                await self.core.work(self._costs.batch)
                await asyncio.sleep((self._gpu.fixed_ms + self._gpu.image_ms * images) / 1000)
                self.batches += 1
                self.images += images
        for _, scored in batch:
            if not scored.done():
                scored.set_result(None)
