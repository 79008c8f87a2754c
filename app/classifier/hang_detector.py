"""How long batches run, and whether one runs for too long."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import ModelUnavailableError

PATIENCE_S = 5.0
"""Seconds that any batch may run."""

PATIENCE_FACTOR = 5.0
"""How many times longer than the slowest of late, by the image, a batch may run."""

FORGETTING = 0.95
"""What is left with each batch of what the slowest took."""


class HangDetector:
    """Times batches, from any thread."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[float, int]] = {}  # by thread: since when, how many images
        self._slowest_s = 0.0  # for an image, of late

    @property
    def is_busy(self) -> bool:
        """Whether a batch runs."""
        return bool(self._running)

    @contextmanager
    def time(self, images: int) -> Iterator[None]:
        """Time a batch."""
        thread, started = threading.get_ident(), time.monotonic()
        self._running[thread] = started, images
        try:
            yield
        finally:
            del self._running[thread]
            self.note(time.monotonic() - started, images)

    def note(self, seconds: float, images: int) -> None:
        """Take in how long a batch took; what was slow once counts less with each that follows."""
        self._slowest_s = max(FORGETTING * self._slowest_s, seconds / max(1, images))

    def check(self) -> None:
        """Refuse a batch that runs for too long.

        Raises:
            ModelUnavailableError: one does; it hangs, for all that can be known.
        """
        now = time.monotonic()
        for started, images in list(self._running.values()):
            allowed_s = max(PATIENCE_S, PATIENCE_FACTOR * self._slowest_s * images)
            if now - started > allowed_s:
                message = f"A batch has been running for {now - started:.0f} s; the model hangs."
                raise ModelUnavailableError(message)
