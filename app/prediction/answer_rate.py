"""How many images are answered in a second."""

import math
import time

MEMORY_S = 5.0
"""Seconds of work after which what was seen counts for a third of what is seen now."""


class AnswerRate:
    """Estimates the images answered per second of the time in which some were in flight.

    Idle time does not count: light traffic shows about what could be answered, and not what was
    asked for.
    """

    def __init__(self) -> None:
        self._answered = 0.0
        self._busy_s = 0.0
        self._counted_until: float | None = None

    def resume(self) -> None:
        """Count time from now on."""
        self._counted_until = time.monotonic()

    def pause(self) -> None:
        """Count no time from now on."""
        self._count_time()
        self._counted_until = None

    def add(self, count: int) -> None:
        """Count images that are answered now."""
        self._count_time()
        self._answered += count

    def read(self) -> float:
        """Read images/s; infinite before any was answered."""
        self._count_time()
        return self._answered / self._busy_s if self._answered and self._busy_s else math.inf

    def _count_time(self) -> None:
        """Count the time that has passed, and forget as much of what was before."""
        if self._counted_until is None:
            return
        now = time.monotonic()
        passed_s = now - self._counted_until
        kept = math.exp(-passed_s / MEMORY_S)
        self._answered *= kept
        self._busy_s = self._busy_s * kept + passed_s
        self._counted_until = now
