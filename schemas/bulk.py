"""What the bulk routes take and answer."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema

from schemas.encoded import ENCODED
from schemas.prediction import PREDICTED, PredictResponse
from schemas.problem import PROBLEM, Problem

_ITEM: JsonDict = {"index": 0, "result": PREDICTED}
_FAILED: JsonDict = {"index": 1, "problem": PROBLEM}


class EncodedImages(BaseModel):
    """Images as text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"example": {"images": [ENCODED, ENCODED]}}
    )

    images: list[str] = Field(description="Each image as base64, or a data URI of it.")


class BulkItem(BaseModel):
    """What became of one image: its result or its problem."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _ITEM})

    index: int = Field(description="Place of the image in the request, from 0.")
    result: PredictResponse | SkipJsonSchema[None] = Field(
        default=None,
        exclude_if=lambda result: result is None,
        description="Its predictions, where it could be classified.",
    )
    problem: Problem | SkipJsonSchema[None] = Field(
        default=None,
        exclude_if=lambda problem: problem is None,
        description="What was wrong with it, where not.",
    )


class BulkResponse(BaseModel):
    """An item for each image, in the order of the request."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"example": {"results": [_ITEM, _FAILED]}}
    )

    results: list[BulkItem]
