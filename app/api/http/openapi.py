"""The OpenAPI description: FastAPI's own, with what client generators need put right."""

from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app.api.http.open_paths import is_open
from app.api.http.problems import MEDIA_TYPE
from app.api.http.request_headers import TIMEOUT
from app.auth.authenticator import API_KEY
from schemas import InferRequest, TaskRequest

SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key, where the service has keys.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": API_KEY,
        "description": "The same key in a header of its own.",
    },
}
"""The security schemes."""

_METHODS = ("get", "post")

_TIMEOUT_HINT = "Answer within so many seconds or with 504; at most the service's limit."
_TIMEOUT_HEADER: dict[str, object] = {
    "name": TIMEOUT,
    "in": "header",
    "required": False,
    "schema": {
        "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}],
        "description": _TIMEOUT_HINT,
        "examples": [2.5],
        "title": TIMEOUT,
    },
    "description": _TIMEOUT_HINT,
}
"""The deadline's header, which `app.api.http.middleware` reads."""


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """Build it once and keep it, as `FastAPI.openapi` does."""
    if app.openapi_schema is None:
        openapi = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        for path, item in openapi["paths"].items():
            if "post" in item:
                item["post"].setdefault("parameters", []).append(_TIMEOUT_HEADER)
            for operation in [item[method] for method in _METHODS if method in item]:
                _mark_problems(operation["responses"])
                if not is_open(path):
                    operation["security"] = [{name: []} for name in SCHEMES] + [{}]
        openapi["components"]["securitySchemes"] = SCHEMES
        openapi["components"]["schemas"] |= _describe(TaskRequest) | _describe(InferRequest)
        for name in ("HTTPValidationError", "ValidationError"):
            openapi["components"]["schemas"].pop(name, None)  # never answered: see problems.py
        for schema in openapi["components"]["schemas"].values():
            _mark_files(schema)
        app.openapi_schema = openapi
    return app.openapi_schema


def describe_body(description: str, media_type: str, schema: dict[str, str]) -> dict[str, Any]:
    """Describe the body of a route that reads it itself, for its `openapi_extra`."""
    content = {media_type: {"schema": schema}}
    return {"requestBody": {"required": True, "description": description, "content": content}}


def _describe(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that its route reads itself, and the schemas that it refers to."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = {**schema.pop("$defs", {}), model.__name__: schema}
    described: dict[str, Any] = jsonable_encoder(schemas, exclude_none=True)  # as FastAPI does
    return described


def _mark_problems(responses: dict[str, Any]) -> None:
    """Give errors their media type; drop FastAPI's own 422 where a route cannot give it."""
    for status in [status for status in responses if status >= "400"]:
        content = responses[status]["content"].pop("application/json")
        if content["schema"]["$ref"].endswith("/HTTPValidationError"):
            del responses[status]
        else:
            responses[status]["content"] = {MEDIA_TYPE: content}


def _mark_files(schema: dict[str, Any]) -> None:
    """Add `format: binary` to uploads; with contentMediaType alone generators send text."""
    for field in schema.get("properties", {}).values():
        for part in (field, field.get("items", {})):
            if "contentMediaType" in part:
                part["format"] = "binary"
