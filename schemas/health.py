"""What the health routes answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.model import ModelInfo


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


class Liveness(BaseModel):
    """The process serves."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"] = "ok"
