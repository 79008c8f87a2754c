"""How much of a load a classifier replica has, and how many ingress replicas send it.

By the load the number of replicas follows the traffic. Serve counts groups, of 1 to `batch_size`
images; this counts images.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

LOAD = "load"
"""Name of the number that Serve's controller is given."""

TARGET_WAIT_S = 0.5
"""Seconds of work that may wait in a replica of full load; where a batch is less, that is."""

TARGET_UTILIZATION = 0.7
"""Share of what the model can do that is a full load."""

MAX_LOAD = 4.0
"""Load of a replica that is asked for more than it can do. How much more is not seen, so their
number grows at most so many times at once."""

MEMORY_S = 5.0
"""Seconds after its last group for which an ingress counts as one that sends some."""


class SenderCount:
    """Counts the ingress replicas that send groups to this classifier, which all share it."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def count(self, sender: str) -> int:
        """Count them, with the one that sent a group now."""
        now = time.monotonic()
        self._last[sender] = now
        if min(self._last.values()) < now - MEMORY_S:
            self._last = {name: at for name, at in self._last.items() if at >= now - MEMORY_S}
        return len(self._last)


class LoadMeter:
    """Measures the load of one replica: 1.0 is as much as one should have.

    Both of two numbers make a load: images in flight tell that too few replicas run, but hardly
    how many are needed when enough do; what is answered, of what can be, tells that.

    Args:
        batch_size: maximum number of images in a batch.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._images = 0
        self._answered = 0
        self._read_at = time.monotonic()

    @contextmanager
    def hold(self, images: int) -> Iterator[None]:
        """Hold images that wait or run; those that fail are not answered."""
        self._images += images
        try:
            yield
            self._answered += images
        finally:
            self._images -= images

    def read(self, best_rate: float) -> float:
        """Read the load since the last time.

        Args:
            best_rate: images/s that the model can do.
        """
        now = time.monotonic()
        rate = self._answered / max(now - self._read_at, 1e-6)
        self._answered, self._read_at = 0, now
        full = max(1.0, min(self._batch_size, TARGET_WAIT_S * best_rate))
        utilization = rate / max(best_rate, 1e-6)
        return min(max(self._images / full, utilization / TARGET_UTILIZATION), MAX_LOAD)
