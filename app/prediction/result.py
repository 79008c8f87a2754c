"""The result of one image: predictions from its logits, and timing."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backend import Description, Logits
from app.images.reader import Reading
from app.prediction.coalescer import ScoredImage
from app.prediction.scores import compute_scores, rank_predictions
from schemas import ImageInfo, ModelInfo, PredictOptions, PredictResponse, Scores


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds that a request spent in each stage.

    Attributes:
        decode_ms: until it was decoded and resized.
        queue_ms: between that and the model.
        inference_ms: of its batch.
        group_ms: the part of `queue_ms` before its group was sent.
    """

    decode_ms: float
    queue_ms: float
    inference_ms: float
    group_ms: float


@dataclass(frozen=True, slots=True)
class Classified:
    """The result of one image.

    Attributes:
        response: the predictions.
        timing: of its stages.
        logits: `[labels]` float32, finite.
        scores: the same.
        description: of the revision that scored it.
    """

    response: PredictResponse
    timing: Timing
    logits: Logits
    scores: NDArray[np.float32]
    description: Description


@dataclass(frozen=True, slots=True)
class TimedReading:
    """An image that was read, and `perf_counter` before and after."""

    reading: Reading
    started: float
    decoded: float


def build_answer(
    timed: TimedReading, scored: ScoredImage, description: Description, options: PredictOptions
) -> Classified:
    """Build the result, with the labels of the revision that scored it.

    Raises:
        InternalError: a score is not a finite number.
        InvalidRequestError: the options do not fit the labels.
    """
    assert scored.logits is not None  # noqa: S101 - the caller has checked
    waited_ms = (time.perf_counter() - timed.decoded) * 1000
    inference_ms = scored.group.inference_ms
    width, height = timed.reading.size
    scores = compute_scores(scored.logits, description.activation)
    response = PredictResponse(
        model=ModelInfo(id=description.model_id, revision=description.revision),
        image=ImageInfo(width=width, height=height, format=timed.reading.format),
        predictions=rank_predictions(scores, description.labels, options),
        scores=scores.tolist() if options.scores is Scores.ALL else None,
        logits=scored.logits.tolist() if options.logits else None,
    )
    decode_ms = (timed.decoded - timed.started) * 1000
    queue_ms = max(0.0, waited_ms - inference_ms)
    group_ms = min(queue_ms, (scored.sent - timed.decoded) * 1000)
    timing = Timing(decode_ms, queue_ms, inference_ms, group_ms)
    return Classified(response, timing, scored.logits, scores, description)
