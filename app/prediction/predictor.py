"""The core: an image's bytes in, its predictions out. Every door enters here.

It speaks to a Backend and holds no checkpoint; a prediction's labels always belong to the weights
that scored it (`app.prediction.preparation`).
"""

import asyncio
import time
from dataclasses import dataclass

from app.backend import Backend, Description, Logits
from app.errors import DeadlineExceededError, ModelUnavailableError
from app.prediction.admission import Admission
from app.prediction.coalescer import ScoredImage
from app.prediction.limits import Limits
from app.prediction.preparation import Preparation, Preparations
from app.prediction.reader import Reader, Reading, ThreadReader
from app.prediction.scores import compute_scores, rank_predictions
from schemas import ImageInfo, ModelInfo, PredictOptions, PredictResponse, Scores

PREPARE_TRIES = 3
"""How often an image is prepared anew when the model changes under it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where a request's time went, in milliseconds."""

    decode_ms: float
    queue_ms: float
    inference_ms: float


@dataclass(frozen=True, slots=True)
class Classified:
    """The answer to one image, what it was made of, and where its time went.

    Attributes:
        response: the predictions.
        timing: where the time went.
        logits: `[labels]` float32, finite.
        description: of the revision that scored them.
    """

    response: PredictResponse
    timing: Timing
    logits: Logits
    description: Description


@dataclass(frozen=True, slots=True)
class _Prepared:
    """One image, ready for one revision; the clock before and after."""

    reading: Reading
    started: float
    decoded: float


class Predictor:
    """Classifies images through a Backend, within limits.

    Args:
        backend: scores what was read.
        limits: of images, in number, size and time.
        reader: reads images; threads of this process when None.

    Attributes:
        limits: as given.
        admission: what is in the house; doors ask it before they read a body.
        last_success: when the last image was scored, by the monotonic clock.
    """

    def __init__(self, backend: Backend, limits: Limits, reader: Reader | None = None) -> None:
        self._backend = backend
        self.limits = limits
        self._reader = reader or ThreadReader(limits)
        self._preparations = Preparations(backend, self._reader, limits)
        self.admission = Admission(limits.max_queue, limits.max_queue_bytes)
        self.last_success: float | None = None

    async def classify(
        self, data: bytes, options: PredictOptions, deadline: float | None = None
    ) -> Classified:
        """Classify one encoded image.

        Args:
            data: the image.
            options: which predictions to answer.
            deadline: time of the event loop until which; None for the limit from now on.

        Raises:
            ProblemError: any row of the error table.
        """
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self.limits.timeout_s
        with self.admission.hold_image():
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._classify(data, options, deadline)
            except TimeoutError as exc:
                raise DeadlineExceededError("The image was not classified in time.") from exc

    async def describe(self) -> Description:
        """Say what is served; raises ModelUnavailableError."""
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                return (await self._preparations.get()).description
        except TimeoutError as exc:
            raise ModelUnavailableError("The model is still loading; try again soon.") from exc

    async def check(self) -> None:
        """Ask whether the model works, past whatever waits; raises ModelUnavailableError."""
        await self._backend.check()

    async def _classify(self, data: bytes, options: PredictOptions, deadline: float) -> Classified:
        """Classify, preparing the image anew when the model changed under it."""
        for _ in range(PREPARE_TRIES):
            preparation = await self._preparations.get()
            prepared = await self._read(data, preparation)
            scored = await preparation.coalescer.score(prepared.reading.pixels, deadline)
            current = await self._preparations.adopt(preparation, scored.group)
            if scored.logits is not None:
                return self._answer(prepared, scored, current, options)
        raise ModelUnavailableError("The model is being changed; try again in a moment.")

    async def _read(self, data: bytes, preparation: Preparation) -> _Prepared:
        """Read an image for one revision, and time it."""
        started = time.perf_counter()
        reading = await self._reader.read(data, preparation.description.geometry)
        return _Prepared(reading, started, time.perf_counter())

    def _answer(
        self,
        prepared: _Prepared,
        scored: ScoredImage,
        description: Description,
        options: PredictOptions,
    ) -> Classified:
        """Put the answer together, with the labels of the revision that scored it."""
        assert scored.logits is not None  # noqa: S101 - the caller has looked
        waited_ms = (time.perf_counter() - prepared.decoded) * 1000
        inference_ms = scored.group.inference_ms
        width, height = prepared.reading.size
        scores = compute_scores(scored.logits, description.activation)
        response = PredictResponse(
            model=ModelInfo(id=description.model_id, revision=description.revision),
            image=ImageInfo(width=width, height=height, format=prepared.reading.format),
            predictions=rank_predictions(scores, description.labels, options),
            scores=scores.tolist() if options.scores is Scores.ALL else None,
            logits=scored.logits.tolist() if options.logits else None,
        )
        self.last_success = time.monotonic()  # not before the scores were found to be numbers
        decode_ms = (prepared.decoded - prepared.started) * 1000
        timing = Timing(decode_ms, max(0.0, waited_ms - inference_ms), inference_ms)
        return Classified(response, timing, scored.logits, description)
