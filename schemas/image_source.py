"""What the JSON routes take: an image as text, or where it is."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator
from pydantic.config import JsonDict

from schemas.omit import OmitIfNone

WHITE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFX"
    "AAAAEElEQVR42mP8zwABTAwUMQBJQQEPkWFcdwAAAABJRU5ErkJggg=="
)
"""A PNG of 8 x 8 pixels."""

SOURCE: JsonDict = {"image": f"data:image/png;base64,{WHITE}"}


MAX_FIELDS = 8
"""Fields of a JSON body that are looked at: each that is unknown would be an error of its own."""

MAX_IMAGES = 1024
"""Images of a list, whatever `VITRINE_MAX_BULK` says."""


class JsonBody(BaseModel):
    """A JSON body of a few fields, and of no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_size(cls, value: object) -> object:
        """Refuse many fields before each of them is."""
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            message = f"has {len(value)} fields"
            raise ValueError(message)
        return value


class ImageSource(JsonBody):
    """One image: its bytes as text, or its URL."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"example": SOURCE})

    image: OmitIfNone[str] = Field(
        default=None, description="The bytes of the image as base64, or a data URI of them."
    )
    url: OmitIfNone[str] = Field(
        default=None,
        description="Where the image is, for a service that fetches it (VITRINE_ALLOW_URLS).",
    )

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        """Refuse both, and neither."""
        if (self.image is None) == (self.url is None):
            message = "send `image` or `url`, one of them"
            raise ValueError(message)
        return self


class ImageSources(JsonBody):
    """Many images."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"example": {"images": [SOURCE, SOURCE]}}
    )

    images: Annotated[list[ImageSource], FailFast()] = Field(
        max_length=MAX_IMAGES, description="Each its bytes as text, or its URL."
    )
