"""Fields that a JSON body omits where they are None."""

from typing import Annotated, TypeVar

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

T = TypeVar("T")

OmitIfNone = Annotated[T | SkipJsonSchema[None], Field(exclude_if=lambda value: value is None)]
"""The type of such a field, whose schema does not mention None; its default is to be None.

A constraint belongs to T: pydantic would apply one of the field to a null too, and fail."""
