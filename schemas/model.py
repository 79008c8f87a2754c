"""Which checkpoint gave an answer."""

from pydantic import BaseModel, ConfigDict, Field


class ModelInfo(BaseModel):
    """The checkpoint that answered: its name and the exact revision of its files."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={"example": {"id": "vitrine-digits", "revision": "3f9a1c0b7d21"}},
    )

    id: str = Field(description="Name of the checkpoint: a folder's name or a Hub id.")
    revision: str = Field(description="Commit of a Hub checkpoint, or a hash of a folder's files.")
