"""Tensors of the Open Inference Protocol, as its JSON bodies have them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt
from pydantic.config import JsonDict

from schemas.image_source import WHITE
from schemas.omit import OmitIfNone

Datatype = Literal["BYTES", "UINT8", "FP32"]

MAX_DIMENSIONS = 4
"""Of a tensor's shape."""

INPUT: JsonDict = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [WHITE]}
SCORES: JsonDict = {"name": "scores", "datatype": "FP32", "shape": [1, 2], "data": [0.25, 0.75]}
_SIZE: JsonDict = {"binary_data_size": 84}
_BINARY = "Bytes of the tensor after the JSON body (the protocol's binary data extension)."


class BinaryParameters(BaseModel):
    """What is said of a tensor; other parameters are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, json_schema_extra={"example": _SIZE})

    binary_data_size: OmitIfNone[NonNegativeInt] = Field(default=None, description=_BINARY)


class InputTensor(BaseModel):
    """The images of a request: encoded ones, or RGB arrays of one size."""

    model_config = ConfigDict(frozen=True, strict=True, json_schema_extra={"example": INPUT})

    name: str = Field(description="`image`.")
    datatype: Datatype = Field(
        description="BYTES for encoded images; UINT8, or FP32 from 0 to 1, for RGB arrays."
    )
    shape: list[int] = Field(
        max_length=MAX_DIMENSIONS,
        description="[n] or [n, 1] of BYTES, [n, height, width, 3] of numbers.",
    )
    parameters: OmitIfNone[BinaryParameters] = Field(
        default=None, description="Where its data are."
    )
    data: OmitIfNone[list[Any]] = Field(
        default=None,
        description="Base64, or data URIs of it, for BYTES; else numbers, flat or nested.",
    )


class OutputTensor(BaseModel):
    """What the model gave for each image."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": SCORES})

    name: str = Field(description="`scores` or `logits`.")
    datatype: Datatype = Field(description="FP32; BYTES for `value:index:label`.")
    shape: list[int] = Field(description="[n, labels], or [n, k] where k best were asked for.")
    parameters: OmitIfNone[BinaryParameters] = Field(
        default=None, description="Where its data are."
    )
    data: OmitIfNone[list[float] | list[str]] = Field(
        default=None, description="Row by row, unless binary data were asked for."
    )
