"""The health probe: healthy means a successful inference, recently or now."""

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

MAX_AGE_S = 4.0
"""Seconds for which a successful inference counts as recent."""

PROBE_TIMEOUT_S = 2.5
"""Seconds for a probe image, and then for `Predictor.check`. With MAX_AGE_S, a model that hangs is
reported within 10 seconds, if its batches take less than one (`HangDetector`)."""


class Probe:
    """Checks that inference succeeds; concurrent checks share one probe image."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._probing: asyncio.Task[None] | None = None
        self._image = _encode_blank_image()
        self._started = time.monotonic()

    @property
    def queue(self) -> Queue:
        """The counts of this replica's admission control."""
        admission = self._predictor.admission
        return Queue(
            images=admission.images,
            bytes=admission.bytes,
            refused=admission.refused,
            cancelled=admission.cancelled,
        )

    @property
    def uptime_s(self) -> float:
        """Seconds since this probe, and so its ingress replica, started."""
        return time.monotonic() - self._started

    async def check(self) -> tuple[Description | None, float | None]:
        """Check that inference succeeds.

        Where all classifiers may end until the next image comes, none is asked: that would keep one
        running, or start one. Serve checks those that run.

        Returns:
            The model's description, and seconds since the last success; None before the first. The
            description is None if no classifier runs and none has been asked yet.

        Raises:
            ModelUnavailableError: the last success is too long ago, and the probe failed.
        """
        if self._predictor.limits.scales_to_zero:
            if self._predictor.find_known() is None and not self._predictor.is_idle():
                await self._predictor.describe()
            return self._predictor.find_known(), self._read_age()
        if self._measure_age() > MAX_AGE_S:
            if self._probing is None or self._probing.done():
                # Outside any request's context: Serve cancels the calls of a cancelled request.
                self._probing = asyncio.create_task(self._run_probe(), context=make_context())
            await asyncio.shield(self._probing)  # it outlives a cancelled check
        return await self._predictor.describe(), self._read_age()

    async def _run_probe(self) -> None:
        """Classify one small image; ask the model instead while images are in flight.

        So the probe never queues behind users' images. The model is asked, too, if the image takes
        too long.
        """
        try:
            if not self._predictor.admission.images:
                with contextlib.suppress(DeadlineExceededError):
                    deadline = asyncio.get_running_loop().time() + PROBE_TIMEOUT_S
                    await self._predictor.classify(
                        self._image, PredictOptions(), deadline, is_probe=True
                    )
                    return
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._predictor.check()
        except (ProblemError, TimeoutError) as exc:
            message = f"No inference succeeds now: {str(exc) or 'no answer in time'}"
            raise ModelUnavailableError(message) from exc

    def _read_age(self) -> float | None:
        """Read the seconds since the last success; None before the first."""
        age_s = self._measure_age()
        return None if math.isinf(age_s) else age_s

    def _measure_age(self) -> float:
        """Measure the seconds since the last success; infinite before the first."""
        last = self._predictor.last_success
        return math.inf if last is None else time.monotonic() - last


def _encode_blank_image() -> bytes:
    """Encode the image that a probe sends."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "PNG")
    return buffer.getvalue()
