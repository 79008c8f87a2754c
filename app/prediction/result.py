"""The result of one image: predictions from its logits, and timing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backend import Description, Logits
from app.images.reader import Reading
from app.observability.stages import ImageStages
from app.prediction.image_group import ScoredImage
from app.prediction.scores import choose_order, compute_scores, rank_predictions
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
class ReadImage:
    """An image that was read, and its stages."""

    reading: Reading
    stages: ImageStages


def build_answer(
    image: ReadImage, scored: ScoredImage, description: Description, options: PredictOptions
) -> Classified:
    """Build the result, with the labels of the revision that scored it; ends the image's stages.

    Raises:
        InternalError: a score is not a finite number.
        InvalidRequestError: the options do not fit the labels.
    """
    assert scored.logits is not None  # noqa: S101 - the caller has checked
    image.stages.end(scored.group.inference_ms / 1000, scored.group.traceparent)
    width, height = image.reading.size
    logits, temperature = scored.logits, description.temperature
    scores = compute_scores(logits, description.activation, temperature)
    order = choose_order(logits, temperature)
    response = PredictResponse(
        model=ModelInfo(id=description.model_id, revision=description.revision),
        image=ImageInfo(width=width, height=height, format=image.reading.format),
        predictions=rank_predictions(scores, description.labels, options, order),
        scores=scores.tolist() if options.scores is Scores.ALL else None,
        logits=logits.tolist() if options.logits else None,
    )
    return Classified(response, _measure(image.stages), logits, scores, description)


def _measure(stages: ImageStages) -> Timing:
    """Measure the last three stages of an image, before which there may be others.

    The model may have changed before it was scored.
    """
    read, wait, batch = (began for _, began in stages.began[-3:])
    assert stages.ended is not None  # noqa: S101 - the caller has ended it
    inference_ms, group_ms = stages.inference_s * 1000, (batch - wait) * 1000
    queue_ms = max(0.0, (stages.ended - wait) * 1000 - inference_ms)
    return Timing((wait - read) * 1000, queue_ms, inference_ms, min(queue_ms, group_ms))
