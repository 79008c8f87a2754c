"""Lets groups through to `@serve.batch` when the model can take a batch, as many as make one.

Serve (2.60) forms a batch of what waits at once, and only then waits for the batch before it. So a
batch that waits does not grow, and the groups of several ingress replicas make many small batches.
Behind the gate they wait as groups, and what is let through together becomes one batch.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class _Batch:
    """Groups that were let through together; `left` have not been scored yet."""

    left: int


class BatchGate:
    """Lets a batch through whenever fewer than `slots` of them run.

    Args:
        batch_size: maximum number of images in a batch.
        slots: batches that the model runs at once.
    """

    def __init__(self, batch_size: int, slots: int) -> None:
        self._batch_size = batch_size
        self._slots = slots
        self._running = 0
        self._waiting: dict[asyncio.Future[_Batch], int] = {}  # numbers of images

    @asynccontextmanager
    async def enter(self, images: int) -> AsyncIterator[None]:
        """Wait until a group may be scored, and score it inside."""
        turn: asyncio.Future[_Batch] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = images
        self._open()
        try:
            await turn
            yield
        finally:
            if self._waiting.pop(turn, None) is None:
                self._leave(turn.result())

    def _open(self) -> None:
        """Let batches through."""
        while self._running < self._slots and (turns := self._take()):
            batch = _Batch(len(turns))
            self._running += 1
            for turn in turns:
                del self._waiting[turn]
                turn.set_result(batch)

    def _take(self) -> list[asyncio.Future[_Batch]]:
        """Take the oldest groups, as many as fit into a batch; at least one, if any waits."""
        taken: list[asyncio.Future[_Batch]] = []
        total = 0
        for turn, images in self._waiting.items():
            if turn.cancelled():  # its group has not heard of it yet
                continue
            total += images
            if taken and total > self._batch_size:
                break
            taken.append(turn)
        return taken

    def _leave(self, batch: _Batch) -> None:
        """Count a group of a batch as scored."""
        batch.left -= 1
        if not batch.left:
            self._running -= 1
            self._open()
