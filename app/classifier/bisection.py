"""Bisection of a batch that fails: only the images that cause the failure are refused."""

import logging
from collections.abc import Callable

import numpy as np

from app.backend import Logits, Pixels
from app.classifier.metrics import bisections, failed_images
from app.errors import ModelUnavailableError

FAILURES = (RuntimeError, MemoryError)
"""What engines raise; torch's OutOfMemoryError is a RuntimeError."""

Forward = Callable[[Pixels], Logits]

_logger = logging.getLogger("vitrine.classifier")


def bisect(forward: Forward, pixels: Pixels) -> Logits:
    """Run a batch, in halves if it fails; an image that fails alone gets NaN logits.

    Args:
        forward: pixels `[n, height, width, 3]` to logits `[n, labels]`; raises FAILURES.
        pixels: the batch.

    Raises:
        ModelUnavailableError: a blank image fails too, so it is the device that fails.
    """
    try:
        return forward(pixels)
    except FAILURES as exc:
        blank = _run_blank(forward, pixels)
        if len(pixels) == 1:
            _logger.error("the model fails on one image, which is refused", exc_info=exc)  # noqa: TRY400 - with our own words
            failed_images.inc()
            return np.full_like(blank, np.nan)
        _logger.warning("a batch of %d fails and is run in halves: %r", len(pixels), exc)
    bisections.inc()
    half = (len(pixels) + 1) // 2
    return np.concatenate([bisect(forward, part) for part in (pixels[:half], pixels[half:])])


def _run_blank(forward: Forward, pixels: Pixels) -> Logits:
    """Run one blank image, to tell a bad image from a bad device."""
    try:
        return forward(np.zeros_like(pixels[:1]))
    except FAILURES as exc:
        raise ModelUnavailableError("The model's device fails; a new replica is starting.") from exc
