"""The answer to one image: its logits become predictions, and its times are told."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from app.backend import Description, Logits
from app.errors import InvalidRequestError
from app.images.reader import Reading
from app.prediction.coalescer import ScoredImage
from app.prediction.scores import compute_scores, rank_predictions
from schemas import ImageInfo, ModelInfo, PredictOptions, PredictResponse, Scores


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
class TimedReading:
    """One image, read for one revision; the clock before and after."""

    reading: Reading
    started: float
    decoded: float


def read_options(options: Mapping[str, object]) -> PredictOptions:
    """Read which predictions to answer, for the doors whose library does not.

    Raises:
        InvalidRequestError: an option is unknown, or out of its range.
    """
    try:
        return PredictOptions.model_validate(options)
    except ValidationError as exc:
        error = exc.errors()[0]
        place = ".".join(str(step) for step in error["loc"])
        raise InvalidRequestError(f"{place}: {error['msg']}") from exc


def build_answer(
    prepared: TimedReading, scored: ScoredImage, description: Description, options: PredictOptions
) -> Classified:
    """Put the answer together, with the labels of the revision that scored it.

    Raises:
        InternalError: a score is not a finite number.
        InvalidRequestError: the options do not fit the labels.
    """
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
    decode_ms = (prepared.decoded - prepared.started) * 1000
    timing = Timing(decode_ms, max(0.0, waited_ms - inference_ms), inference_ms)
    return Classified(response, timing, scored.logits, description)
