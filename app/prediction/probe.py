"""Health that tells the truth: an inference through the real path a moment ago, or one now."""

import asyncio
import contextlib
import io
import math
import time

from PIL import Image

from app.backend import Description
from app.errors import DeadlineExceededError, ModelUnavailableError, ProblemError
from app.observability.logs import make_context
from app.prediction.predictor import Predictor
from schemas import PredictOptions, Queue

FRESH_S = 4.0
"""An inference this many seconds ago still counts as proof."""

PROBE_TIMEOUT_S = 2.5
"""Seconds that a probe image may take, and after it the model's own word: with FRESH_S, a model
that hangs is told of within 10 seconds, where its batches take less than one (`HangDetector`)."""


class Probe:
    """Answers whether the real path works; checks at the same time share one probe image."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._probing: asyncio.Task[None] | None = None
        self._image = _encode_blank_image()
        self._started = time.monotonic()

    @property
    def queue(self) -> Queue:
        """What waits in this ingress replica, and what was refused or left."""
        admission = self._predictor.admission
        return Queue(
            images=admission.images,
            bytes=admission.bytes,
            refused=admission.refused,
            cancelled=admission.cancelled,
        )

    @property
    def uptime_s(self) -> float:
        """Seconds since this probe, and so this ingress replica, was made."""
        return time.monotonic() - self._started

    async def check(self) -> tuple[Description, float | None]:
        """Check the real path.

        Returns:
            What is served, and seconds since the last inference that succeeded; None before it.

        Raises:
            ModelUnavailableError: the last one is too long ago, and a fresh one failed.
        """
        if self._measure_age() > FRESH_S:
            if self._probing is None or self._probing.done():
                # In no request's context: Serve cancels the calls of one whose client hangs up.
                self._probing = asyncio.create_task(self._run_probe(), context=make_context())
            await asyncio.shield(self._probing)  # whoever hangs up leaves it to the others
        age_s = self._measure_age()
        return await self._predictor.describe(), None if math.isinf(age_s) else age_s

    async def _run_probe(self) -> None:
        """Send one small image all the way, as a user's would go.

        It does not queue behind users' images: while there are any, or when it takes long, the
        model is asked whether it works on something.
        """
        try:
            if not self._predictor.admission.images:
                with contextlib.suppress(DeadlineExceededError):
                    deadline = asyncio.get_running_loop().time() + PROBE_TIMEOUT_S
                    await self._predictor.classify(self._image, PredictOptions(), deadline)
                    return
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._predictor.check()
        except (ProblemError, TimeoutError) as exc:
            message = f"No inference succeeds now: {str(exc) or 'no answer in time'}"
            raise ModelUnavailableError(message) from exc

    def _measure_age(self) -> float:
        """Seconds since the last inference that succeeded."""
        last = self._predictor.last_success
        return math.inf if last is None else time.monotonic() - last


def _encode_blank_image() -> bytes:
    """Encode the image that a probe sends."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "PNG")
    return buffer.getvalue()
