"""What the health routes answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.explanation import ExplanationInfo
from schemas.model import ModelInfo


class Queue(BaseModel):
    """Images and bytes in flight in this ingress replica, and requests not answered."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={"example": {"images": 3, "bytes": 18412, "refused": 0, "cancelled": 1}},
    )

    images: int = Field(description="Images that wait or are being classified now.")
    bytes: int = Field(description="Bytes of request bodies held now.")
    refused: int = Field(description="Requests refused as `overloaded` since the start.")
    cancelled: int = Field(description="Images whose client disconnected, since the start.")


class Health(BaseModel):
    """An inference through the real path succeeded in the last few seconds."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "status": "ok",
                "model": {"id": "vitrine-digits", "revision": "3f9a1c0b7d21"},
                "device": "cpu",
                "uptime_s": 81.5,
                "last_inference_s": 0.4,
                "queue": {"images": 3, "bytes": 18412, "refused": 0, "cancelled": 1},
                "explanation": {"methods": ["gradient_attention"], "reason": None},
            }
        },
    )

    status: Literal["ok"] = "ok"
    model: ModelInfo
    device: str = Field(description="Where the model runs: cpu or cuda:0.")
    uptime_s: float = Field(description="Seconds since this ingress replica started.")
    last_inference_s: float | None = Field(
        description="Seconds since the last inference that succeeded; null before the first."
    )
    queue: Queue
    explanation: ExplanationInfo


class Liveness(BaseModel):
    """The process serves."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"] = "ok"
