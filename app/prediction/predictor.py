"""The predictor: an encoded image in, predictions out. Every API calls it.

It holds no checkpoint: a Backend scores. A prediction's labels are always those of the revision
that scored it (`app.prediction.current_model`).
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from app.backend import Backend, Description, Geometry, Logits, Pixels
from app.errors import DeadlineExceededError, ModelUnavailableError
from app.images.arrays import check_pixels
from app.images.reader import Reader, Reading, ThreadReader
from app.limits import ImageBounds, Limits
from app.observability.call_record import begin_image
from app.observability.stages import READ, WAIT, ImageStages
from app.prediction.admission import Admission
from app.prediction.current_model import CurrentModel, ServedModel
from app.prediction.metrics import count_answer, count_images
from app.prediction.result import Classified, ReadImage, build_answer
from app.prediction.scores import check_logits
from schemas import PredictOptions

MAX_TRIES = 3
"""How often an image is read, because the model's geometry changed before it was scored."""

MODEL_CHANGING = "The model is being changed; try again in a moment."


class Predictor:
    """Classifies images through a Backend, within limits.

    Args:
        backend: scores pixels.
        limits: of images, in number, size and time.
        reader: reads images; None for threads of this process.

    Attributes:
        limits: as given.
        admission: the images and bytes in flight; APIs check it before they read a body.
        last_success: time of the last successful inference, by the monotonic clock.
    """

    def __init__(self, backend: Backend, limits: Limits, reader: Reader | None = None) -> None:
        self._backend = backend
        self.limits = limits
        self._reader = reader or ThreadReader(limits)
        self._current_model = CurrentModel(backend, self._reader, limits)
        self.admission = Admission(self._bound_images, limits.max_queue_bytes)
        self.last_success: float | None = None
        self._grows_until = -math.inf

    async def classify(
        self,
        data: bytes,
        options: PredictOptions,
        deadline: float | None = None,
        *,
        is_probe: bool = False,
    ) -> Classified:
        """Classify one encoded image.

        Args:
            data: the image.
            options: which predictions to return.
            deadline: by the event loop's clock; None for `limits.timeout_s` from now.
            is_probe: nobody asked for it, so it counts in no metric.

        Raises:
            ProblemError: of any kind.
        """
        async with self._admit(1, deadline, counted=0 if is_probe else 1) as until:
            classified = await self._classify(data, options, until)
        if not is_probe:
            count_answer(classified)
        return classified

    async def score(self, pixels: Pixels, deadline: float | None = None) -> Logits:
        """Score pixels `[n, height, width, 3]` of the model's size, all by the same revision.

        Args:
            pixels: of the model's geometry; n is at most `limits.max_stack`.
            deadline: as of `classify`.

        Returns:
            Logits `[n, labels]`, float32, finite.

        Raises:
            InvalidRequestError: the pixels do not fit the model.
            ProblemError: of any other kind.
        """
        max_images = self.limits.max_stack
        check_pixels(pixels, (await self.describe()).geometry, max_images)
        async with self._admit(len(pixels), deadline, counted=len(pixels)) as until:
            stages = begin_image(WAIT)
            for _ in range(MAX_TRIES):
                served = await self._current_model.get()
                check_pixels(pixels, served.description.geometry, max_images)
                stages.begin(WAIT)
                logits = await self._score(pixels, served, until, stages)
                if logits is not None:
                    return logits
            raise ModelUnavailableError(MODEL_CHANGING)

    async def describe(self) -> Description:
        """Describe the current model; raises ModelUnavailableError."""
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                if self.is_idle():  # to ask again would start a classifier
                    return (await self._current_model.get()).description
                return await self._current_model.confirm()
        except TimeoutError as exc:
            raise ModelUnavailableError("The model is still loading; try again soon.") from exc

    async def read(self, data: bytes, geometry: Geometry) -> Reading:
        """Read one encoded image, which is not scored; raises ProblemError."""
        return await self._reader.read(data, geometry)

    async def check(self) -> None:
        """Check the model, past the queue; raises ModelUnavailableError."""
        await self._backend.check()

    def is_idle(self) -> bool:
        """Tell whether no classifier runs, on purpose, until the next image comes."""
        return self.limits.scales_to_zero and not self._backend.count_classifiers()

    def find_known(self) -> Description | None:
        """Find the description of the current model; None if none is known yet."""
        return self._current_model.known

    def _bound_images(self) -> ImageBounds:
        """Bound the images in flight, by the replicas that run now.

        What waited for the last classifier to come is not refused when it has come.
        """
        classifiers, now = self._backend.count_classifiers(), time.monotonic()
        if classifiers < self.limits.max_classifiers:
            self._grows_until = now + self.limits.timeout_s
        ingresses = self._backend.count_ingresses()
        has_grown = now < self._grows_until
        return self.limits.bound_images(classifiers, ingresses, has_grown=has_grown)

    @asynccontextmanager
    async def _admit(
        self, images: int, deadline: float | None, *, counted: int
    ) -> AsyncIterator[float]:
        """Hold slots for images until a deadline, which it yields; count so many by outcome."""
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self.limits.timeout_s
        with count_images(counted), self.admission.hold_images(images):
            try:
                async with asyncio.timeout_at(deadline):
                    yield deadline
            except TimeoutError as exc:
                raise DeadlineExceededError("The image was not classified in time.") from exc

    async def _classify(self, data: bytes, options: PredictOptions, deadline: float) -> Classified:
        """Classify; reads the image again if the model changed before it was scored."""
        stages = begin_image(READ)
        for _ in range(MAX_TRIES):
            served = await self._current_model.get()
            stages.begin(READ)
            reading = await self._reader.read(data, served.description.geometry)
            stages.begin(WAIT)
            is_alone = reading.group_size == 1
            scored = await served.coalescer.score(
                reading.pixels, deadline, stages, at_once=is_alone
            )
            current = await self._current_model.adopt(served, scored.group)
            if scored.logits is not None:
                classified = build_answer(ReadImage(reading, stages), scored, current, options)
                self.last_success = time.monotonic()  # its scores are finite
                return classified
        raise ModelUnavailableError(MODEL_CHANGING)

    async def _score(
        self, pixels: Pixels, served: ServedModel, deadline: float, stages: ImageStages
    ) -> Logits | None:
        """Score pixels; None if the model changed, so that rows could be of two revisions."""
        images = await served.coalescer.score_all(pixels, deadline, stages)
        last = images[-1].group
        stages.end(last.inference_ms / 1000, last.traceparent)
        for image in images:
            await self._current_model.adopt(served, image.group)
        rows = [image.logits for image in images if image.logits is not None]
        if len(rows) < len(images) or len({image.group.revision for image in images}) > 1:
            return None
        logits = np.stack(rows)
        check_logits(logits)
        self.last_success = time.monotonic()
        return logits
