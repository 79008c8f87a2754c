"""What `POST /predict/json` takes."""

from pydantic import BaseModel, ConfigDict, Field

_WHITE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFX"
    "AAAAEElEQVR42mP8zwABTAwUMQBJQQEPkWFcdwAAAABJRU5ErkJggg=="
)
"""A PNG of 8 x 8 pixels."""
ENCODED = f"data:image/png;base64,{_WHITE}"


class EncodedImage(BaseModel):
    """An image as text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"example": {"image": ENCODED}}
    )

    image: str = Field(description="The bytes of the image as base64, or a data URI of them.")
