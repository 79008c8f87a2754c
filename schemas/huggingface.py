"""What `POST /hf` takes and answers: the image-classification task of the Hugging Face API."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from schemas.image_source import WHITE
from schemas.prediction import DEFAULT_TOP_K

_PARAMETERS: JsonDict = {"top_k": 3, "function_to_apply": "softmax"}


class TaskParameters(BaseModel):
    """How the task is done."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _PARAMETERS})

    top_k: int = Field(
        default=DEFAULT_TOP_K, ge=1, description="How many labels to answer, at most all."
    )
    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = Field(
        default=None, description="What makes scores of logits; default: what the model says."
    )


class TaskRequest(BaseModel):
    """One image and how to classify it."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={"example": {"inputs": WHITE, "parameters": _PARAMETERS}},
    )

    inputs: str = Field(description="The bytes of the image as base64, or a data URI of them.")
    parameters: TaskParameters = TaskParameters()


class ScoredLabel(BaseModel):
    """One label and its score."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"example": {"label": "7", "score": 0.9987}}
    )

    label: str = Field(description="Name of the label.")
    score: float = Field(description="What the function made of its logit.")
