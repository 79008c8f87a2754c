"""The OpenAPI document: FastAPI's own, with what client generators need put right."""

from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app.api.http.open_paths import is_open
from app.api.http.problems import MEDIA_TYPE
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
"""The security schemes of the OpenAPI document."""

_METHODS = ("get", "post")


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """Build the document once and keep it, as `FastAPI.openapi` does."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        for path, item in document["paths"].items():
            for operation in [item[method] for method in _METHODS if method in item]:
                _mark_problems(operation["responses"])
                if not is_open(path):
                    operation["security"] = [{name: []} for name in SCHEMES] + [{}]
        document["components"]["securitySchemes"] = SCHEMES
        document["components"]["schemas"] |= _describe(TaskRequest) | _describe(InferRequest)
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)  # never answered: see problems.py
        for schema in document["components"]["schemas"].values():
            _mark_files(schema)
        app.openapi_schema = document
    return app.openapi_schema


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
