"""What `POST /explain` takes beside the image, and what it answers."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from schemas.model import ModelInfo
from schemas.prediction import ImageInfo

MAX_LABELS = 8
"""Labels that one request may ask to have explained."""

_EXPLANATION: JsonDict = {
    "label": "7",
    "label_id": 7,
    "score": 0.9987,
    "relevance": [[0.0, 0.31], [0.08, 1.0]],
}
_LAYERS: JsonDict = {"first": 3, "last": 4, "total": 4}
_CROP: JsonDict = {"left": 0.0, "top": 8.0, "width": 64.0, "height": 64.0}


class ExplainMethod(StrEnum):
    """How relevance is found; docs/explain.md compares them."""

    AUTO = "auto"
    GRADIENT_ATTENTION = "gradient_attention"
    HIRESCAM = "hirescam"
    OCCLUSION = "occlusion"


class ExplainOptions(BaseModel):
    """Which labels to explain, how, and in which form to answer."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "example": {
                "label": ["7"],
                "label_id": [1],
                "method": "auto",
                "format": "json",
                "opacity": 0.6,
            }
        },
    )

    label: Annotated[
        list[str],
        Field(
            max_length=MAX_LABELS,
            description=("Labels to explain, by name; default: the one with the best score."),
            examples=[["7"]],
        ),
    ] = []
    label_id: Annotated[
        list[Annotated[int, Field(ge=0)]],
        Field(max_length=MAX_LABELS, description="Labels to explain, by id.", examples=[[7]]),
    ] = []
    method: Annotated[
        ExplainMethod, Field(description="How to find relevance; auto: the model's best.")
    ] = ExplainMethod.AUTO
    format: Annotated[
        Literal["json", "png"],
        Field(description="json: relevance as numbers; png: drawn over the upright image."),
    ] = "json"
    opacity: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            allow_inf_nan=False,
            description="Of the map in a PNG; 0 answers the upright image alone.",
        ),
    ] = 0.6


class Layers(BaseModel):
    """The layers that a map was made of, counted from 1."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _LAYERS})

    first: int = Field(description="First layer that counts.")
    last: int = Field(description="Last layer that counts.")
    total: int = Field(description="Layers that the model has.")


class Crop(BaseModel):
    """The part of the upright image that the model saw, in its pixels.

    It reaches beyond the image where the processor pads.
    """

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _CROP})

    left: float = Field(description="Left edge.")
    top: float = Field(description="Top edge.")
    width: float = Field(description="Width.")
    height: float = Field(description="Height.")


class Explanation(BaseModel):
    """Where the model looked for one label. It is no cause: see docs/explain.md."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _EXPLANATION})

    label: str = Field(description="Name of the label.")
    label_id: int = Field(description="Index of the label in the model's output.")
    score: float = Field(description="Score of the label, 0 to 1, of the run that was explained.")
    relevance: list[list[float]] = Field(
        description=(
            "Rows of cells over `crop`, from its top left: 1 is the most relevant cell; "
            "all 0 where nothing speaks for the label."
        )
    )


class ExplainResponse(BaseModel):
    """Where the model looked, for each label that was asked for, in the same order."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "model": {"id": "vitrine-digits", "revision": "3f9a1c0b7d21"},
                "image": {"width": 64, "height": 80, "format": "PNG"},
                "method": "gradient_attention",
                "layers": _LAYERS,
                "crop": _CROP,
                "explanations": [_EXPLANATION],
            }
        },
    )

    model: ModelInfo
    image: ImageInfo
    method: ExplainMethod = Field(description="The method that was used; never `auto`.")
    layers: Layers | None = Field(description="Layers of the map; null where it has none.")
    crop: Crop | None = Field(
        description="What the model saw of the image; null where its processor does not tell."
    )
    explanations: list[Explanation]


class ExplanationInfo(BaseModel):
    """Whether the model can be explained."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={"example": {"methods": ["gradient_attention"], "reason": None}},
    )

    methods: list[ExplainMethod] = Field(
        description="Methods that `/explain` takes, the default first."
    )
    reason: str | None = Field(
        description="Why `auto` is refused, and what can be done; null where it is not."
    )
