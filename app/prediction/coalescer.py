"""The coalescer gathers pixels into groups, by a rule that is work-conserving.

**A full group is sent at once. A partial group is sent when a classifier has none in flight, or
when it is as large as the smallest in flight and fewer than two per classifier are.**
So a lone image is sent at once, and while the model is busy, arrivals gather instead of freezing
into small batches. Full groups are never held back: overload stays visible to Serve.
"""

import asyncio
import math
from collections.abc import Callable, Iterable

from prometheus_client import Histogram

from app.backend import Pixels
from app.errors import ModelUnavailableError
from app.observability.logs import make_context
from app.observability.metrics import IMAGES, REGISTRY
from app.observability.stages import BATCH, WAIT, ImageStages
from app.prediction.image_group import ScoredImage, Sender, WaitingImage, score_group

MAX_PARTIAL_GROUPS = 2
"""Groups in flight per classifier before partial ones wait: one runs while one travels."""

Waiter = asyncio.Future[ScoredImage]

_group_images = Histogram(
    "vitrine_group_images",
    "Images of each group that was sent to a classifier; probes are among them.",
    buckets=IMAGES,
    registry=REGISTRY,
)


class Coalescer:
    """Gathers images of one shape into groups and sends them.

    Args:
        send: scores pixels `[n, height, width, 3]`, 1 <= n <= group_size.
        group_size: maximum number of images in a group.
        count_classifiers: gives the number of classifier replicas that run, for each ingress.
        slots: groups in flight for each of them before partial ones wait.
    """

    def __init__(
        self,
        send: Sender,
        group_size: int,
        count_classifiers: Callable[[], float] = lambda: 1,
        slots: int = MAX_PARTIAL_GROUPS,
    ) -> None:
        self._send = send
        self._group_size = group_size
        self._count_classifiers = count_classifiers
        self._slots = slots
        self._waiting: dict[Waiter, WaitingImage] = {}
        self._in_flight: list[int] = []  # sizes of the groups
        self._tasks: set[asyncio.Task[list[ScoredImage]]] = set()
        self._is_scheduled = False

    async def score(
        self,
        pixels: Pixels,
        deadline: float = math.inf,
        stages: ImageStages | None = None,
        *,
        at_once: bool = True,
    ) -> ScoredImage:
        """Score one image's pixels `[height, width, 3]`; raises what the sender raises.

        An image whose caller is cancelled before its group is sent is not sent, and a group whose
        callers are all cancelled is cancelled too.

        Args:
            pixels: of the image.
            deadline: by the event loop's clock.
            stages: of the image, if they are kept.
            at_once: apply the rule now; else at the end of this iteration of the event loop, so
                that images that were read together leave together.
        """
        loop = asyncio.get_running_loop()
        future: Waiter = loop.create_future()
        self._waiting[future] = WaitingImage(pixels, deadline, stages or ImageStages(WAIT))
        if at_once:
            self._send_due()
        elif not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._send_scheduled)
        try:
            return await future
        finally:
            self._waiting.pop(future, None)
            del future  # its error has a traceback, that this frame, and this frame the pixels

    async def score_all(
        self, images: Iterable[Pixels], deadline: float, stages: ImageStages | None = None
    ) -> list[ScoredImage]:
        """Score images as `score` does, added all at once, so that they fill groups."""
        loop, stages = asyncio.get_running_loop(), stages or ImageStages(WAIT)
        futures: dict[Waiter, WaitingImage] = {
            loop.create_future(): WaitingImage(image, deadline, stages) for image in images
        }
        self._waiting.update(futures)
        self._send_due()
        try:
            return await asyncio.gather(*futures)
        finally:
            for future in futures:
                self._waiting.pop(future, None)

    def _send_scheduled(self) -> None:
        """Send what the rule permits at the end of an iteration."""
        self._is_scheduled = False
        self._drop_cancelled()
        self._send_due()

    def _drop_cancelled(self) -> None:
        """Drop the images that were cancelled in this iteration of the event loop."""
        for waiter in [waiter for waiter in self._waiting if waiter.done()]:
            del self._waiting[waiter]

    def _send_due(self) -> None:
        """Send the groups that the rule permits now."""
        while len(self._waiting) >= self._group_size:
            self._send_group()
        if self._waiting and self._may_send_partial():
            self._send_group()

    def _may_send_partial(self) -> bool:
        """Tell whether the rule permits to send a partial group now."""
        in_flight = self._in_flight
        classifiers = max(1, self._count_classifiers())
        if len(in_flight) < classifiers:
            return True
        has_slot = len(in_flight) < self._slots * classifiers
        return has_slot and len(self._waiting) >= min(in_flight)

    def _send_group(self) -> None:
        """Take the oldest images and send them as one group."""
        futures = list(self._waiting)[: self._group_size]
        images = [self._waiting.pop(future) for future in futures]
        _group_images.observe(len(images))
        for image in images:
            image.stages.begin(BATCH)
        self._in_flight.append(len(futures))
        # Outside any request's context: Serve cancels the calls of a request that is cancelled.
        task = asyncio.create_task(score_group(self._send, images), context=make_context())
        self._tasks.add(task)  # the loop holds tasks weakly
        task.add_done_callback(lambda done: self._finish_group(futures, done))
        for future in futures:
            future.add_done_callback(lambda _: _cancel_if_abandoned(task, futures))

    def _finish_group(self, futures: list[Waiter], task: asyncio.Task[list[ScoredImage]]) -> None:
        """Set the result of each image that still waits, then send what the rule permits."""
        self._tasks.discard(task)
        self._drop_cancelled()
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


def _cancel_if_abandoned(task: asyncio.Task[list[ScoredImage]], futures: list[Waiter]) -> None:
    """Cancel a group whose callers are all cancelled."""
    if all(future.cancelled() for future in futures):
        task.cancel()
