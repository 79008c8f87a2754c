"""How much may be in the house: images that wait or are being scored, and bytes that are held.

What comes beyond is refused at once. Of a body that comes the announced length is looked at and
not held: a few slow clients could announce the whole house full.
"""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import OverloadedError

CANCELLATION_WINDOW_S = 1.0
"""Seconds after a client has hung up in which others are expected to have."""

DISCONNECT_TURNS = 5
"""Iterations of the event loop until uvicorn has read that a client disconnected and Serve cancels
its request. Two were too few, four enough; they are spent only within CANCELLATION_WINDOW_S."""


class Admission:
    """Counts images and bytes, and refuses what does not fit.

    Args:
        max_images: most images at once.
        max_bytes: most bytes of bodies at once.

    Attributes:
        images: those in the house now.
        bytes: held now.
        refused: how often something was refused.
        cancelled: how many images nobody waited for any more, because their client had gone.
    """

    def __init__(self, max_images: int, max_bytes: int) -> None:
        self._max_images = max_images
        self._max_bytes = max_bytes
        self.images = 0
        self.bytes = 0
        self.refused = 0
        self.cancelled = 0
        self._last_cancelled = -math.inf

    def check(self, length: int = 0, images: int = 1) -> None:
        """Refuse what would not fit now; takes no place.

        Args:
            length: bytes that are announced.
            images: how many come.

        Raises:
            OverloadedError: the house is full.
        """
        if self.images + images > self._max_images:
            self._refuse(f"{self.images} images are waiting already; try again in a moment.")
        self._check_bytes(length)

    @contextmanager
    def hold_images(self, count: int = 1) -> Iterator[None]:
        """Take a place for each of some images; raises OverloadedError."""
        self.check(images=count)
        self.images += count
        try:
            yield
        except asyncio.CancelledError:
            self._note_cancelled(count)
            raise
        finally:
            self.images -= count

    async def yield_to_disconnects(self) -> None:
        """Let a request be cancelled whose client has gone; at once where none has of late.

        Clients that give up and ask again can be more than an ingress replica can answer, and
        then every answer would be for one that has gone.
        """
        if time.monotonic() - self._last_cancelled > CANCELLATION_WINDOW_S:
            return
        try:
            for _ in range(DISCONNECT_TURNS):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._note_cancelled()
            raise

    def hold_bytes(self, count: int) -> None:
        """Take a place for more bytes, until `free_bytes`; raises OverloadedError."""
        self._check_bytes(count)
        self.bytes += count

    def free_bytes(self, count: int) -> None:
        """Give bytes back."""
        self.bytes -= count

    def _note_cancelled(self, count: int = 1) -> None:
        """Count images that nobody waits for any more."""
        self.cancelled += count
        self._last_cancelled = time.monotonic()

    def _check_bytes(self, count: int) -> None:
        """Refuse more bytes than fit now."""
        if self.bytes + count > self._max_bytes:
            self._refuse(f"{self.bytes} bytes are waiting already; try again in a moment.")

    def _refuse(self, message: str) -> None:
        """Count and raise."""
        self.refused += 1
        raise OverloadedError(message)
