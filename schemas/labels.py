"""What `GET /labels` answers."""

from pydantic import BaseModel, ConfigDict, Field

from schemas.explanation import ExplanationInfo
from schemas.model import ModelInfo
from schemas.omit import OmitIfNone


class Label(BaseModel):
    """One label of the model."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": {"id": 7, "label": "7"}})

    id: int = Field(description="Index in the model's output.")
    label: str = Field(description="Name, from the checkpoint's id2label.")


class Labels(BaseModel):
    """All labels of the model, by rising id."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "model": {"id": "vitrine-digits", "revision": "3f9a1c0b7d21"},
                "labels": [{"id": 0, "label": "0"}, {"id": 1, "label": "1"}],
                "explanation": {"methods": ["gradient_attention"], "reason": None},
                "temperature": 1.35,
            }
        },
    )

    model: ModelInfo
    labels: list[Label]
    explanation: ExplanationInfo
    temperature: OmitIfNone[float] = Field(
        default=None,
        description=(
            "What logits are divided by before softmax, where scores are calibrated; "
            "logits are answered as the model gave them."
        ),
    )
