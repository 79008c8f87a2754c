"""Health that tells the truth: an inference through the real path a moment ago, or one now."""

import asyncio
import io
import time

from PIL import Image

from app.backend import Description
from app.errors import ModelUnavailableError, ProblemError
from app.prediction.predictor import Predictor
from schemas import PredictOptions

FRESH_S = 5.0
"""An inference this many seconds ago still counts as proof."""


class Probe:
    """Answers whether the real path works; checks at the same time share one probe image."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._probing: asyncio.Task[None] | None = None
        self._image = _encode_blank_image()
        self._started = time.monotonic()

    @property
    def uptime_s(self) -> float:
        """Seconds since this probe, and so this ingress replica, was made."""
        return time.monotonic() - self._started

    async def check(self) -> tuple[Description, float]:
        """Check the real path.

        Returns:
            What is served, and seconds since the last inference that succeeded.

        Raises:
            ModelUnavailableError: the last one is too long ago, and a fresh one failed.
        """
        if self._measure_age() > FRESH_S:
            if self._probing is None or self._probing.done():
                self._probing = asyncio.create_task(self._classify_blank_image())
            await asyncio.shield(self._probing)  # whoever hangs up leaves it to the others
        return await self._predictor.describe(), self._measure_age()

    async def _classify_blank_image(self) -> None:
        """Send one small image all the way, as a user's would go."""
        try:
            async with asyncio.timeout(FRESH_S):
                await self._predictor.classify(self._image, PredictOptions())
        except (ProblemError, TimeoutError) as exc:
            message = f"No inference succeeds now: {str(exc) or 'no answer in time'}"
            raise ModelUnavailableError(message) from exc

    def _measure_age(self) -> float:
        """Seconds since the last inference that succeeded."""
        last = self._predictor.last_success
        return float("inf") if last is None else time.monotonic() - last


def _encode_blank_image() -> bytes:
    """Encode the image that a probe sends."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "PNG")
    return buffer.getvalue()
