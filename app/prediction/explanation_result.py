"""What an explanation is asked of and answers: labels by name or id, and maps as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.backend import Description
from app.errors import InvalidRequestError
from app.explainer_backend import Explained
from app.images.geometry import find_crop
from app.images.reader import Reading
from app.observability.stages import ImageStages, list_stages
from app.prediction.scores import compute_scores
from schemas import (
    MAX_LABELS,
    Crop,
    ExplainMethod,
    ExplainOptions,
    ExplainResponse,
    Explanation,
    ImageInfo,
    Layers,
    ModelInfo,
)

DIGITS = 4
"""Decimal places of relevance: more would only lengthen the answer."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The result of one image.

    Attributes:
        response: the explanations; None for a picture alone.
        png: the map over the upright image, where it was asked for.
        stages: of the image, which have ended.
    """

    response: ExplainResponse | None
    png: bytes | None
    stages: ImageStages

    def measure(self) -> tuple[float, float]:
        """Measure milliseconds until the image was read, and of the explainer with its queue."""
        assert self.stages.ended is not None  # noqa: S101 - as said above
        stages = list_stages(self.stages, self.stages.ended)
        read_ms, explain_ms, *_ = [(one.ended - one.began) * 1000 for one in stages] + [0.0]
        return read_ms, explain_ms


def find_labels(labels: Sequence[str], options: ExplainOptions) -> tuple[int, ...]:
    """Find the ids of the labels that are asked for, each once; none: the best one.

    Raises:
        InvalidRequestError: no label has that name or id, or they are too many.
    """
    names = [_find_label(labels, name) for name in options.label]
    beyond = [label_id for label_id in options.label_id if label_id >= len(labels)]
    if beyond:
        message = f"query label_id: {beyond[0]} is none; the model has 0 to {len(labels) - 1}."
        raise InvalidRequestError(message)
    found = tuple(dict.fromkeys([*names, *options.label_id]))
    most = 1 if options.format == "png" else MAX_LABELS
    if len(found) > most:
        raise InvalidRequestError(f"query label: at most {most} are explained in one request here.")
    return found


def _find_label(labels: Sequence[str], name: str) -> int:
    """Find the first label of a name; raises InvalidRequestError."""
    if name in labels:
        return labels.index(name)
    message = f"query label: {name[:100]!r} is no label of this model. /labels lists them."
    raise InvalidRequestError(message)


def build_response(
    reading: Reading, explained: Explained, description: Description
) -> ExplainResponse:
    """Build the answer; raises InternalError where a score is not a finite number."""
    scores = compute_scores(explained.logits, description.activation, description.temperature)
    width, height = reading.size
    crop = find_crop(description.geometry, reading.size)
    maps = explained.relevance.astype(float).round(DIGITS).tolist()
    return ExplainResponse(
        model=ModelInfo(id=description.model_id, revision=explained.revision),
        image=ImageInfo(width=width, height=height, format=reading.format),
        method=ExplainMethod(explained.method),
        layers=_describe_layers(explained.layers),
        crop=None
        if crop is None
        else Crop(left=crop[0], top=crop[1], width=crop[2], height=crop[3]),
        explanations=[
            Explanation(
                label=description.labels[label_id],
                label_id=label_id,
                score=float(scores[label_id]),
                relevance=relevance,
            )
            for label_id, relevance in zip(explained.label_ids, maps, strict=True)
        ],
    )


def _describe_layers(layers: tuple[int, int, int] | None) -> Layers | None:
    """Describe the layers of a map."""
    return None if layers is None else Layers(first=layers[0], last=layers[1], total=layers[2])
