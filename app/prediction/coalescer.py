"""Images become groups, and groups travel: the rule that makes the service work-conserving.

**A full group leaves at once. A partial group leaves when a classifier has none in flight, or
when it is as large as the smallest in flight and fewer than two for each are.**
A lone image leaves at once; while the model is busy, arrivals gather instead of freezing into
small batches; full groups are not held back, so that overload stays visible behind it. It knows
neither images nor models: a sender scores a stack of pixels and answers for the whole stack.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np

from app.backend import Logits, Pixels, Scored
from app.errors import ModelUnavailableError
from app.observability.logs import make_context

Sender = Callable[[Pixels, float], Awaitable[Scored]]
"""Scores pixels `[n, height, width, 3]` within seconds, after which nobody waits any more; what it
raises fails the members of that group alone."""


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """What one image of a group gets.

    Attributes:
        logits: `[labels]` float32, or None when the group was refused for its geometry.
        group: the answer to the whole group.
    """

    logits: Logits | None
    group: Scored


MAX_PARTIAL_GROUPS = 2
"""Groups in flight for each classifier before partial ones wait: one runs while one travels."""

Waiter = asyncio.Future[ScoredImage]


class Coalescer:
    """Gathers images of one shape into groups and sends them.

    Args:
        send: scores pixels `[n, height, width, 3]`, 1 <= n <= group_size.
        group_size: most images in a group.
        classifiers: how many replicas share the groups.
        slots: groups in flight for each of them before partial ones wait.
    """

    def __init__(
        self, send: Sender, group_size: int, classifiers: int = 1, slots: int = MAX_PARTIAL_GROUPS
    ) -> None:
        self._send = send
        self._group_size = group_size
        self._classifiers = classifiers
        self._slots = slots
        self._waiting: dict[Waiter, tuple[Pixels, float]] = {}
        self._in_flight: list[int] = []  # sizes of the groups
        self._tasks: set[asyncio.Task[list[ScoredImage]]] = set()

    async def score(self, pixels: Pixels, deadline: float = math.inf) -> ScoredImage:
        """Score one image's pixels `[height, width, 3]`; raises what the sender raises.

        An image whose caller is cancelled before its group has left is not sent, and the sending
        of a group whose callers are all cancelled is cancelled too.

        Args:
            pixels: of one image.
            deadline: time of the event loop after which the caller does not wait any more.
        """
        future: Waiter = asyncio.get_running_loop().create_future()
        self._waiting[future] = pixels, deadline
        self._send_due()
        try:
            return await future
        finally:
            self._waiting.pop(future, None)

    async def score_all(self, images: Iterable[Pixels], deadline: float) -> list[ScoredImage]:
        """Score images as `score` does, all put in at once, so that they fill groups."""
        loop = asyncio.get_running_loop()
        futures: dict[Waiter, tuple[Pixels, float]] = {
            loop.create_future(): (image, deadline) for image in images
        }
        self._waiting.update(futures)
        self._send_due()
        try:
            return await asyncio.gather(*futures)
        finally:
            for future in futures:
                self._waiting.pop(future, None)

    def _send_due(self) -> None:
        """Send the groups that the rule lets go now."""
        while len(self._waiting) >= self._group_size:
            self._send_group()
        if self._waiting and self._may_send_partial():
            self._send_group()

    def _may_send_partial(self) -> bool:
        """Tell whether a partial group may leave; the second of a classifier must be worth it."""
        in_flight = self._in_flight
        if len(in_flight) < self._classifiers:
            return True
        has_place = len(in_flight) < self._slots * self._classifiers
        return has_place and len(self._waiting) >= min(in_flight)

    def _send_group(self) -> None:
        """Take the oldest images and send them as one group."""
        futures = list(self._waiting)[: self._group_size]
        images = [self._waiting.pop(future) for future in futures]
        self._in_flight.append(len(futures))
        # In no request's context: Serve cancels the calls that were made in one whose client goes.
        task = asyncio.create_task(self._score_group(images), context=make_context())
        self._tasks.add(task)  # the loop holds tasks weakly
        task.add_done_callback(lambda done: self._finish_group(futures, done))
        for future in futures:
            future.add_done_callback(lambda _: _cancel_for_nobody(task, futures))

    async def _score_group(self, images: list[tuple[Pixels, float]]) -> list[ScoredImage]:
        """Score one group; gives one answer an image, in order."""
        pixels = cast("Pixels", np.stack([image for image, _ in images]))  # all of one dtype
        timeout_s = max(deadline for _, deadline in images) - asyncio.get_running_loop().time()
        scored = await self._send(pixels, timeout_s)
        if scored.logits is None:
            return [ScoredImage(None, scored)] * len(images)
        return [ScoredImage(scored.logits[index], scored) for index in range(len(images))]

    def _finish_group(self, futures: list[Waiter], task: asyncio.Task[list[ScoredImage]]) -> None:
        """Answer each member that still waits, then send what may leave now."""
        self._tasks.discard(task)
        for gone in [waiter for waiter in self._waiting if waiter.done()]:
            del self._waiting[gone]  # cancelled in this very tick
        self._in_flight.remove(len(futures))
        cut_off = "The call to the model was cut off; try again."
        error = ModelUnavailableError(cut_off) if task.cancelled() else task.exception()
        for index, future in enumerate(futures):
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(task.result()[index])
        self._send_due()


def _cancel_for_nobody(task: asyncio.Task[list[ScoredImage]], futures: list[Waiter]) -> None:
    """Cancel the sending of a group that nobody waits for any more."""
    if all(future.cancelled() for future in futures):
        task.cancel()
