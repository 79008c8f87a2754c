"""A batch that fails is run in halves, so that only the guilty images fail."""

import logging
import sys
from collections.abc import Callable

import numpy as np

from app.backend import Logits, Pixels
from app.errors import ModelUnavailableError

FAILURES = (RuntimeError, MemoryError)
"""What engines raise; MemoryError where a batch is too large for the device."""

_logger = logging.getLogger("vitrine.classifier")


class Isolation:
    """Runs batches, and what is left of those that fail.

    Args:
        run: pixels `[n, height, width, 3]` to logits `[n, labels]`; raises FAILURES.
        run_blank: runs one blank image, which tells a bad image from a bad device.
        labels: how many.

    Attributes:
        is_lost: not even a blank image can be run.
        largest: most images that are run at once.
    """

    def __init__(
        self, run: Callable[[Pixels], Logits], run_blank: Callable[[], object], labels: int
    ) -> None:
        self._run = run
        self._run_blank = run_blank
        self._labels = labels
        self.is_lost = False
        self.largest = sys.maxsize

    def run(self, pixels: Pixels) -> Logits:
        """Run a batch; an image that fails gets logits that are no numbers.

        Raises:
            ModelUnavailableError: the device is lost.
        """
        count = len(pixels)
        if count > self.largest:
            return self._run_parts(pixels, self.largest)
        try:
            return self._run(pixels)
        except FAILURES as exc:
            self._check_device()
            if count == 1:
                _logger.error("the model fails on an image, which alone is refused", exc_info=exc)  # noqa: TRY400 - with our own words
                return np.full((1, self._labels), np.nan, np.float32)
            half = (count + 1) // 2
            if isinstance(exc, MemoryError):
                self.largest = half
            _logger.warning("a batch of %d fails and is run in halves: %r", count, exc)
        return self._run_parts(pixels, half)

    def _run_parts(self, pixels: Pixels, size: int) -> Logits:
        """Run a batch in parts of at most `size` images."""
        starts = range(0, len(pixels), size)
        return np.concatenate([self.run(pixels[start : start + size]) for start in starts])

    def _check_device(self) -> None:
        """Find out whether the device still works."""
        try:
            self._run_blank()
        except FAILURES as exc:
            self.is_lost = True
            message = "The model's device fails; a new replica is starting."
            raise ModelUnavailableError(message) from exc
