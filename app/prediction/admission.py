"""Admission control: bounds the images in flight and the buffered bytes of one ingress replica.

Excess is refused at once. The announced length of a body is checked but not reserved, because a
few slow clients could announce all of the capacity.

No more images are admitted than are answered in a second or so: by Little's law the last of
them waits about as long. A refusal for that tells HAProxy how few to let through for a moment.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import OverloadedError
from app.limits import ImageBounds
from app.prediction.answer_rate import AnswerRate

MAX_GAP_S = 0.05
"""Seconds in which HAProxy lets at least one image through, so that it sees when there is room."""

CANCELLATION_WINDOW_S = 1.0
"""Seconds after a disconnect in which more are expected."""

DISCONNECT_ITERATIONS = 5
"""Iterations of the event loop until uvicorn has read a disconnect and Serve has cancelled the
request. Two were too few, four enough; they are spent only within CANCELLATION_WINDOW_S."""


class Admission:
    """Counts images and bytes, and refuses what exceeds its limits.

    Args:
        bound_images: bounds the images in flight, by the replicas that run now.
        max_bytes: maximum number of buffered bytes.

    Attributes:
        max_bytes: as given.
        images: in flight now.
        bytes: buffered now.
        refused: number of refusals.
        cancelled: number of images whose client disconnected.
    """

    def __init__(self, bound_images: Callable[[], ImageBounds], max_bytes: int) -> None:
        self._bound_images = bound_images
        self.max_bytes = max_bytes
        self._rate = AnswerRate()
        self.images = 0
        self.bytes = 0
        self.refused = 0
        self.cancelled = 0
        self._last_cancelled = -math.inf

    def check(self, length: int = 0, images: int = 1) -> None:
        """Raise OverloadedError if so many images and bytes would not fit now; reserves nothing."""
        limit = self.find_limit()
        if self.images + images > limit:
            message = f"{self.images} images are waiting already; try again in a moment."
            self._refuse(message, self._find_gap() if self.images + 1 > limit else None)
        self._check_bytes(length)

    @contextmanager
    def hold_images(self, count: int = 1) -> Iterator[None]:
        """Hold slots for `count` images; raises OverloadedError."""
        self.check(images=count)
        if not self.images:
            self._rate.resume()
        self.images += count
        answered = count  # with a problem too
        try:
            yield
        except asyncio.CancelledError:
            answered = 0
            self._note_cancelled(count)
            raise
        finally:
            self._rate.add(answered)
            self.images -= count
            if not self.images:
                self._rate.pause()

    async def yield_to_disconnects(self) -> None:
        """Let Serve cancel this request if its client has disconnected.

        It returns at once if no client has disconnected recently. Without it, clients that time out
        and retry could keep a replica busy with requests that are already cancelled.
        """
        if time.monotonic() - self._last_cancelled > CANCELLATION_WINDOW_S:
            return
        try:
            for _ in range(DISCONNECT_ITERATIONS):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._note_cancelled()
            raise

    @contextmanager
    def hold_bytes(self, count: int) -> Iterator[None]:
        """Hold `count` bytes until the block ends; raises OverloadedError."""
        self.add_bytes(count)
        try:
            yield
        finally:
            self.free_bytes(count)

    def add_bytes(self, count: int) -> None:
        """Hold `count` more bytes until `free_bytes`; raises OverloadedError."""
        self._check_bytes(count)
        self.bytes += count

    def free_bytes(self, count: int) -> None:
        """Release bytes."""
        self.bytes -= count

    def find_limit(self) -> float:
        """Find how many images may be in flight; the maximum before any was answered."""
        bounds = self._bound_images()
        return min(max(bounds.wait_s * self._rate.read(), bounds.least), bounds.most)

    def _find_gap(self) -> float:
        """Find how many seconds an image takes to be answered, at most MAX_GAP_S."""
        rate = self._rate.read()
        return min(1 / rate, MAX_GAP_S) if rate < math.inf else MAX_GAP_S

    def _note_cancelled(self, count: int = 1) -> None:
        """Count images whose client disconnected."""
        self.cancelled += count
        self._last_cancelled = time.monotonic()

    def _check_bytes(self, count: int) -> None:
        """Raise OverloadedError if more bytes would not fit now."""
        if self.bytes + count > self.max_bytes:
            self._refuse(f"{self.bytes} bytes are waiting already; try again in a moment.")

    def _refuse(self, message: str, seconds_per_image: float | None = None) -> None:
        """Count a refusal and raise OverloadedError."""
        self.refused += 1
        raise OverloadedError(message, seconds_per_image)
