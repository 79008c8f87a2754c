"""What the bulk routes answer."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from schemas.omit import OmitIfNone
from schemas.prediction import PREDICTED, PredictResponse
from schemas.problem import PROBLEM, Problem

_ITEM: JsonDict = {"index": 0, "result": PREDICTED}
_FAILED: JsonDict = {"index": 1, "problem": PROBLEM}


class BulkItem(BaseModel):
    """What became of one image: its result or its problem."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _ITEM})

    index: int = Field(description="Index of the image in the request, from 0.")
    result: OmitIfNone[PredictResponse] = Field(
        default=None, description="Its predictions, where it could be classified."
    )
    problem: OmitIfNone[Problem] = Field(
        default=None, description="What was wrong with it, where not."
    )


class BulkResponse(BaseModel):
    """An item for each image, in the order of the request."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"example": {"results": [_ITEM, _FAILED]}}
    )

    results: list[BulkItem]
