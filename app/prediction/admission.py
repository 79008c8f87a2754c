"""Admission control: bounds the images in flight and the buffered bytes of one ingress replica.

Excess is refused at once. The announced length of a body is checked but not reserved, because a
few slow clients could announce all of the capacity.

While images wait, no more are admitted than were answered in the last MAX_WAIT_S seconds: by
Little's law the last of them then waits about as long. HAProxy has the same rule.
"""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import OverloadedError

MAX_WAIT_S = 2.0
"""Seconds that an admitted image should wait for its answer at most."""

CANCELLATION_WINDOW_S = 1.0
"""Seconds after a disconnect in which more are expected."""

DISCONNECT_ITERATIONS = 5
"""Iterations of the event loop until uvicorn has read a disconnect and Serve has cancelled the
request. Two were too few, four enough; they are spent only within CANCELLATION_WINDOW_S."""


class RecentCount:
    """Counts what happened within the last MAX_WAIT_S seconds, about as HAProxy does."""

    def __init__(self) -> None:
        self._started = -math.inf
        self._now = 0
        self._before = 0

    def add(self, count: int) -> None:
        """Count what happens now."""
        self._turn()
        self._now += count

    def read(self) -> float:
        """Read the count: that of this period, and the share of the last one that is not past."""
        passed = self._turn()
        return self._now + self._before * (1 - passed / MAX_WAIT_S)

    def _turn(self) -> float:
        """Begin a new period when it is time; returns the seconds of this one that have passed."""
        now = time.monotonic()
        passed = now - self._started
        if passed >= MAX_WAIT_S:
            self._before = self._now if passed < 2 * MAX_WAIT_S else 0
            self._now = 0
            self._started = now
            return 0.0
        return passed


class Admission:
    """Counts images and bytes, and refuses what exceeds its limits.

    Args:
        max_images: maximum number of images in flight.
        max_bytes: maximum number of buffered bytes.
        min_images: number of images that is admitted however long they wait, up to `max_images`.

    Attributes:
        images: in flight now.
        bytes: buffered now.
        refused: number of refusals.
        cancelled: number of images whose client disconnected.
    """

    def __init__(self, max_images: int, max_bytes: int, min_images: int) -> None:
        self._max_images = max_images
        self._min_images = min_images
        self._max_bytes = max_bytes
        self._answered = RecentCount()
        self.images = 0
        self.bytes = 0
        self.refused = 0
        self.cancelled = 0
        self._last_cancelled = -math.inf

    def check(self, length: int = 0, images: int = 1) -> None:
        """Raise OverloadedError if so many images and bytes would not fit now; reserves nothing."""
        if self.images + images > self._find_limit():
            self._refuse(f"{self.images} images are waiting already; try again in a moment.")
        self._check_bytes(length)

    @contextmanager
    def hold_images(self, count: int = 1) -> Iterator[None]:
        """Hold slots for `count` images; raises OverloadedError."""
        self.check(images=count)
        self.images += count
        try:
            yield
            self._answered.add(count)
        except asyncio.CancelledError:
            self._note_cancelled(count)
            raise
        finally:
            self.images -= count

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

    def _find_limit(self) -> float:
        """Find how many images may be in flight; the maximum before any was answered."""
        answered = self._answered.read() or self._max_images
        return min(max(answered, self._min_images), self._max_images)

    def _note_cancelled(self, count: int = 1) -> None:
        """Count images whose client disconnected."""
        self.cancelled += count
        self._last_cancelled = time.monotonic()

    def _check_bytes(self, count: int) -> None:
        """Raise OverloadedError if more bytes would not fit now."""
        if self.bytes + count > self._max_bytes:
            self._refuse(f"{self.bytes} bytes are waiting already; try again in a moment.")

    def _refuse(self, message: str) -> None:
        """Count a refusal and raise OverloadedError."""
        self.refused += 1
        raise OverloadedError(message)
