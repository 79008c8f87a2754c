"""GET /openapi.json: an OpenAPI that client generators and people can rely on."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

import schemas
from app.errors import (
    ExplanationUnavailableError,
    ImageTooLargeError,
    InternalError,
    MethodNotAllowedError,
    ModelUnavailableError,
    NotFoundError,
    ProblemError,
    UnauthorizedError,
    UndecodableImageError,
)
from schemas import ExplainMethod, PredictOptions, Scores
from tests.support.http_app import answer, get

_ROOT = Path(__file__).parents[3]
_ROUTES = {
    ("post", "/predict"): "predict",
    ("post", "/predict/raw"): "predict_raw",
    ("post", "/predict/json"): "predict_json",
    ("post", "/predict/batch"): "predict_batch",
    ("post", "/predict/batch/json"): "predict_batch_json",
    ("post", "/explain"): "explain",
    ("post", "/explain/raw"): "explain_raw",
    ("post", "/explain/json"): "explain_json",
    ("post", "/hf"): "classify_task",
    ("get", "/v2"): "server_metadata",
    ("get", "/v2/health/live"): "server_live",
    ("get", "/v2/health/ready"): "server_ready",
    ("get", "/v2/models/{name}"): "model_metadata",
    ("get", "/v2/models/{name}/ready"): "model_ready",
    ("post", "/v2/models/{name}/infer"): "model_infer",
    ("get", "/labels"): "labels",
    ("get", "/health"): "health",
    ("get", "/livez"): "livez",
    ("get", "/readyz"): "readyz",
}
_OPEN = {"livez", "readyz", "server_live", "server_ready"}
_CLOSED = [key for key, name in _ROUTES.items() if name not in _OPEN]
"""Routes that ask for a key where the service has keys."""

_SILENT = {"livez", "server_live", "server_metadata"}
"""Routes that ask nothing of the model."""

_OF_AN_IMAGE = {UndecodableImageError, ImageTooLargeError}
"""Errors that an image of a bulk request gets, and not the request."""

_SCHEMAS: dict[str, type[BaseModel]] = {
    name: value
    for name, value in vars(schemas).items()
    if isinstance(value, type) and issubclass(value, BaseModel)
}


@cache
def read_openapi() -> dict[str, Any]:
    """Read the OpenAPI that the app answers."""
    openapi: dict[str, Any] = answer(get("/openapi.json")).json()
    return openapi


def list_operations() -> dict[tuple[str, str], dict[str, Any]]:
    """List operations by method and path."""
    return {
        (method, path): operation
        for path, item in read_openapi()["paths"].items()
        for method, operation in item.items()
    }


def test_it_is_openapi_3_1() -> None:
    """It validates as OpenAPI 3.1."""
    assert read_openapi()["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(read_openapi()).iter_errors()) == []


def test_the_openapi_that_is_checked_in_is_up_to_date() -> None:
    """openapi/openapi.json is what the app answers; `make openapi` rewrites it."""
    assert json.loads((_ROOT / "openapi" / "openapi.json").read_text()) == read_openapi()


def test_operation_ids_are_short() -> None:
    """Every route has the operation id that generated clients name their functions by."""
    operations = list_operations()
    assert {key: operation["operationId"] for key, operation in operations.items()} == _ROUTES


def test_an_upload_is_a_file() -> None:
    """The part `file` is required and binary, for generators of either OpenAPI dialect."""
    content = list_operations()["post", "/predict"]["requestBody"]["content"]
    (media_type,) = content
    assert media_type == "multipart/form-data"
    name = content[media_type]["schema"]["$ref"].rsplit("/", 1)[-1]
    body = read_openapi()["components"]["schemas"][name]
    assert body["required"] == ["file"]
    assert body["properties"]["file"]["format"] == "binary"
    assert body["properties"]["file"]["contentMediaType"] == "application/octet-stream"


def test_many_uploads_are_files() -> None:
    """Each part `files` is binary, too."""
    body = read_openapi()["components"]["schemas"]["Body_predict_batch"]
    assert body["required"] == ["files"]
    assert body["properties"]["files"]["items"]["format"] == "binary"


def test_every_error_is_a_problem() -> None:
    """No route documents an error in another shape or media type."""
    for operation in list_operations().values():
        for status, response in operation["responses"].items():
            if status >= "400":
                (media_type,) = response["content"]
                assert media_type == "application/problem+json"
                schema = response["content"][media_type]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}


@pytest.mark.parametrize("error", ProblemError.__subclasses__(), ids=lambda error: error.type)
def test_an_error_is_documented_where_it_is_given(error: type[ProblemError]) -> None:
    """Each error is in the responses of the routes that can give it, with an example."""
    routes = [route for route in _ROUTES if route[0] == "post"]
    if error is InternalError:
        routes = list(_ROUTES)
    elif error in _OF_AN_IMAGE:
        routes = [route for route in routes if "batch" not in route[1]]
    elif error is UnauthorizedError:
        routes = _CLOSED
    elif error is ModelUnavailableError:
        routes = [route for route, name in _ROUTES.items() if name not in _SILENT]
    elif error is NotFoundError:
        routes = [route for route in _ROUTES if "{name}" in route[1]]
    elif error is ExplanationUnavailableError:
        routes = [route for route in routes if "explain" in route[1]]
    elif error is MethodNotAllowedError:
        routes = []
    for route in routes:
        response = list_operations()[route]["responses"][str(error.status)]
        example = response["content"]["application/problem+json"]["examples"][error.type]["value"]
        problem = schemas.Problem.model_validate(example, strict=True)
        assert (problem.status, problem.title) == (error.status, error.title)
        assert problem.type == f"urn:vitrine:problem:{error.type}"
        assert error.title.lower() in response["description"].lower()
        headers = response.get("headers", {})
        assert ("Retry-After" in headers) == (error.retry_after_s is not None)
        assert ("WWW-Authenticate" in headers) == (error.challenge is not None)


def test_a_key_is_documented_where_it_is_asked_for() -> None:
    """Closed routes name both ways to send a key, and that none may be needed; others name none."""
    schemes = read_openapi()["components"]["securitySchemes"]
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["apiKey"]["in"], schemes["apiKey"]["name"]) == ("header", "X-API-Key")
    for route, operation in list_operations().items():
        assert ("security" in operation) == (route in _CLOSED)
        assert operation.get("security", []) in ([], [{"bearer": []}, {"apiKey": []}, {}])


def test_errors_of_no_route_are_not_documented() -> None:
    """405 and most 404 are given where there is no operation that could document them."""
    for (_, path), operation in list_operations().items():
        assert ("404" in operation["responses"]) == ("{name}" in path)
        assert "405" not in operation["responses"]


def test_the_table_has_a_row_a_kind() -> None:
    """No two errors share a type."""
    errors = ProblemError.__subclasses__()
    assert len({error.type for error in errors}) == len(errors) >= 11


@pytest.mark.parametrize("name", _SCHEMAS)
def test_a_schema_has_an_example_of_itself(name: str) -> None:
    """Every schema has an example, which it accepts and gives back unchanged."""
    model = _SCHEMAS[name]
    example = model.model_json_schema()["example"]
    read = model.model_validate_json(json.dumps(example), strict=True)
    assert read.model_dump(mode="json") == example
    fields = model.model_fields.items()
    required = {name for name, field in fields if field.is_required()}
    assert required <= set(example) <= set(model.model_fields)


def test_every_component_is_one_of_ours() -> None:
    """It has our schemas and the upload, none of FastAPI's own error shapes."""
    components = read_openapi()["components"]["schemas"]
    forms = set(components) - set(_SCHEMAS) - {Scores.__name__, ExplainMethod.__name__}
    assert forms == {"Body_predict", "Body_predict_batch", "Body_explain"}
    assert all("example" in components[name] for name in set(components) & set(_SCHEMAS))


def test_options_are_documented_with_their_bounds() -> None:
    """The options of /predict have a description, bounds, a default and an example."""
    parameters = {one["name"]: one for one in list_operations()["post", "/predict"]["parameters"]}
    assert set(parameters) == {*PredictOptions.model_fields, "X-Request-Timeout-Seconds"}
    assert parameters["top_k"]["schema"]["minimum"] == 1
    bounds = parameters["threshold"]["schema"]
    assert (bounds["minimum"], bounds["maximum"]) == (0, 1)
    for parameter in parameters.values():
        assert parameter["required"] is False
        assert parameter["description"]
        assert parameter["schema"]["examples"]
