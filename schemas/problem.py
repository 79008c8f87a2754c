"""How every error is answered (RFC 9457, application/problem+json)."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from schemas.omit import OmitIfNone

PROBLEM: JsonDict = {
    "type": "urn:vitrine:problem:invalid-request",
    "title": "Invalid request",
    "status": 422,
    "detail": "query top_k: Input should be greater than or equal to 1",
    "instance": "0b7c2f2e9a5c4a53b2a1f3f0a8d1c9ee",
}


class Problem(BaseModel):
    """What went wrong, in words that say how to fix it."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={"example": PROBLEM},
    )

    type: str = Field(description="Stable name of the kind of problem.")
    title: str = Field(description="The kind of problem, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="This problem, and what to do about it.")
    instance: str = Field(description="The request's id, as in X-Request-ID; quote it in a report.")
    error: OmitIfNone[str] = Field(
        default=None,
        description="The detail again, below /v2: what the Open Inference Protocol reads.",
    )
