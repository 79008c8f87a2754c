"""What `POST /predict` takes beside the image, and what it answers."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from schemas.model import ModelInfo
from schemas.omit import OmitIfNone

DEFAULT_TOP_K = 5

_PREDICTION: JsonDict = {"label": "7", "label_id": 7, "score": 0.9987}
_IMAGE: JsonDict = {"width": 64, "height": 64, "format": "PNG"}
PREDICTED: JsonDict = {
    "model": {"id": "vitrine-digits", "revision": "3f9a1c0b7d21"},
    "image": _IMAGE,
    "predictions": [_PREDICTION, {"label": "1", "label_id": 1, "score": 0.0006}],
}


class Scores(StrEnum):
    """Which scores to answer: those of the predictions, or also of every label, by its id."""

    TOP = "top"
    ALL = "all"


class PredictOptions(BaseModel):
    """Which of the scored labels to answer."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "example": {"top_k": 3, "threshold": 0.1, "scores": "all", "logits": True}
        },
    )

    top_k: Annotated[
        int,
        Field(
            ge=1,
            description=(
                "How many predictions to answer, at most the number of labels; "
                "the default gives all where there are fewer."
            ),
            examples=[3],
        ),
    ] = DEFAULT_TOP_K
    threshold: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            allow_inf_nan=False,
            description="Leave out predictions that score less.",
            examples=[0.1],
        ),
    ] = 0.0
    scores: Annotated[
        Scores, Field(description="Whether to add the scores of all labels.", examples=["all"])
    ] = Scores.TOP
    logits: Annotated[
        bool,
        Field(description="Add what the model gave for each label, by id.", examples=[True]),
    ] = False


class ImageInfo(BaseModel):
    """The image as it was read: after its EXIF turn, before the processor."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _IMAGE})

    width: int = Field(description="Width in pixels.")
    height: int = Field(description="Height in pixels.")
    format: str = Field(description="Format by content, such as JPEG or PNG.")


class Prediction(BaseModel):
    """One label and how sure the model is of it."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _PREDICTION})

    label: str = Field(description="Name of the label.")
    label_id: int = Field(description="Index of the label in the model's output.")
    score: float = Field(description="Probability, 0 to 1.")


class PredictResponse(BaseModel):
    """Predictions for one image, best first."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {**PREDICTED, "scores": [0.0001, 0.0006], "logits": [-2.5, -0.75]}
        },
    )

    model: ModelInfo
    image: ImageInfo
    predictions: list[Prediction] = Field(description="By falling score.")
    scores: OmitIfNone[list[float]] = Field(
        default=None, description="Of every label, by label id, where `scores=all` asked for them."
    )
    logits: OmitIfNone[list[float]] = Field(
        default=None,
        description="What the model gave, float32, by label id, where `logits=true` asked for it.",
    )
