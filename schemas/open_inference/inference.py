"""What inference by the Open Inference Protocol v2 takes and answers.

Fields and parameters that are not named here are ignored: clients of other servers send more.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field, NonNegativeInt
from pydantic.config import JsonDict

from schemas.omit import OmitIfNone
from schemas.open_inference.tensor import INPUT, SCORES, InputTensor, OutputTensor

MAX_OUTPUTS = 8
"""Outputs that are looked at."""

_BEST: JsonDict = {"classification": 3}
_WANTED: JsonDict = {"name": "scores", "parameters": _BEST}
_ALL: JsonDict = {"binary_data_output": False}


class OutputParameters(BaseModel):
    """How an output is answered."""

    model_config = ConfigDict(frozen=True, strict=True, json_schema_extra={"example": _BEST})

    classification: OmitIfNone[NonNegativeInt] = Field(
        default=None,
        description="Answer so many of the best labels, as text; 0 for the tensor itself.",
    )
    binary_data: OmitIfNone[bool] = Field(
        default=None, description="Answer it as bytes after the JSON body."
    )


class RequestedOutput(BaseModel):
    """An output that is asked for."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _WANTED})

    name: str = Field(description="`scores` or `logits`.")
    parameters: OmitIfNone[OutputParameters] = Field(
        default=None, description="How it is answered."
    )


class InferParameters(BaseModel):
    """What is said of a whole request."""

    model_config = ConfigDict(frozen=True, strict=True, json_schema_extra={"example": _ALL})

    binary_data_output: bool = Field(
        default=False, description="Answer outputs as bytes that do not say otherwise."
    )


class InferRequest(BaseModel):
    """Images to classify, and which outputs to answer."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={"example": {"id": "7", "inputs": [INPUT], "outputs": [_WANTED]}},
    )

    id: OmitIfNone[Annotated[str, Field(max_length=1000)]] = Field(
        default=None, description="Comes back with the answer."
    )
    parameters: OmitIfNone[InferParameters] = Field(default=None, description="Of all outputs.")
    inputs: Annotated[list[InputTensor], FailFast()] = Field(
        min_length=1, max_length=1, description="The one input."
    )
    outputs: Annotated[list[RequestedOutput], FailFast()] = Field(
        default=[],
        max_length=MAX_OUTPUTS,
        exclude_if=lambda outputs: not outputs,
        description="Default: `scores` and `logits`.",
    )


class InferResponse(BaseModel):
    """The outputs for each image, all of one version of the model."""

    model_config = ConfigDict(
        frozen=True,
        protected_namespaces=(),
        json_schema_extra={
            "example": {
                "model_name": "vitrine-digits",
                "model_version": "3f9a1c0b7d21",
                "id": "7",
                "outputs": [SCORES],
            }
        },
    )

    model_name: str = Field(description="Name of the checkpoint.")
    model_version: str = Field(description="Its revision that scored all images.")
    id: OmitIfNone[str] = Field(default=None, description="The request's, where it had one.")
    outputs: list[OutputTensor] = Field(description="As they were asked for.")
