"""Validates JSON bodies, and options of gRPC and Python; words the errors of every API."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.errors import InvalidRequestError
from schemas import PredictOptions

JsonBody = TypeVar("JsonBody", bound=BaseModel)

MAX_LISTED_ERRORS, MAX_DETAIL_LENGTH = 5, 1000
"""Errors of a request that are listed, and characters."""

_SEND = "send the image as a multipart/form-data part of this name, with a file name"


def read_options(options: Mapping[str, object]) -> PredictOptions:
    """Read which predictions to answer.

    Raises:
        InvalidRequestError: an option is unknown, or out of its range.
    """
    try:
        return PredictOptions.model_validate(dict(options))
    except ValidationError as exc:
        raise InvalidRequestError(summarize(exc.errors())) from exc


def parse_json_body(model: type[JsonBody], body: bytes) -> JsonBody:
    """Parse a JSON body that a route reads itself; raises InvalidRequestError."""
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]
        raise InvalidRequestError(summarize(errors)) from exc


def summarize(errors: Sequence[Any]) -> str:
    """Say which parts are wrong and what is allowed, in one line; the first few of many."""
    parts = []
    for error in errors[:MAX_LISTED_ERRORS]:
        field = " ".join(str(step) for step in error["loc"])
        message = error["msg"]
        if error["loc"][:2] in {("body", "file"), ("body", "files")}:
            is_missing = error["type"] == "missing"
            message = f"{'is missing' if is_missing else 'is no file'}: {_SEND}"
        parts.append(f"{field}: {message}")
    return "; ".join(parts)[:MAX_DETAIL_LENGTH]
