"""The hang detector: times batches and reports one that runs for too long."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import ModelUnavailableError

MIN_TIMEOUT_S = 5.0
"""Seconds that any batch may run."""

TIMEOUT_FACTOR = 5.0
"""A batch may run this many times longer, per image, than the slowest recent one."""

DECAY = 0.95
"""Factor on the slowest time with each further batch."""


class HangDetector:
    """Times batches, from any thread.

    Attributes:
        best_rate: images/s of the fastest batch so far; 0 before the first.
    """

    def __init__(self) -> None:
        self.best_rate = 0.0
        self._running: dict[int, tuple[float, int]] = {}  # by thread: start, number of images
        self._slowest_s = 0.0  # per image

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
        """Record the time of a batch; older ones count less."""
        self._slowest_s = max(DECAY * self._slowest_s, seconds / max(1, images))
        self.best_rate = max(self.best_rate, images / max(seconds, 1e-6))

    def check(self) -> None:
        """Raise ModelUnavailableError if a batch runs for too long, and so hangs."""
        now = time.monotonic()
        for started, images in list(self._running.values()):
            timeout_s = max(MIN_TIMEOUT_S, TIMEOUT_FACTOR * self._slowest_s * images)
            if now - started > timeout_s:
                message = f"A batch has been running for {now - started:.0f} s; the model hangs."
                raise ModelUnavailableError(message)
