"""Errors as application/problem+json (RFC 9457): the service's own, FastAPI's and Starlette's."""

import inspect
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from app.api.http.open_paths import find_path
from app.api.validation import summarize
from app.errors import (
    InternalError,
    InvalidRequestError,
    MethodNotAllowedError,
    ModelUnavailableError,
    NotFoundError,
    OverloadedError,
    ProblemError,
    StartupError,
)
from app.observability.access_log import build_internal_error
from app.observability.logs import request_id
from schemas import Problem

MEDIA_TYPE = "application/problem+json"
_OPEN_INFERENCE = "/v2"
"""Where paths of the Open Inference Protocol begin; its clients read the member `error` alone."""

_PROBLEM = "problem"
"""Where the state of a request keeps the type of its problem."""


def describe_problem(error: ProblemError) -> Problem:
    """Describe an error of the request that is being answered."""
    return Problem.model_validate(error.describe(request_id.get()))


def build_response(
    error: ProblemError, scope: Scope, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Build the answer to an error, with Retry-After or WWW-Authenticate where it has one.

    X-Vitrine-Full, microseconds an image, is for HAProxy, which takes it off.
    """
    scope.setdefault("state", {})[_PROBLEM] = error.type
    headers = dict(headers or {})
    if isinstance(error, OverloadedError) and error.seconds_per_image is not None:
        headers["X-Vitrine-Full"] = str(round(1e6 * error.seconds_per_image))
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.challenge is not None:
        headers["WWW-Authenticate"] = error.challenge
    problem = describe_problem(error)
    if find_path(scope).startswith(_OPEN_INFERENCE):
        problem = problem.model_copy(update={"error": problem.detail})
    return JSONResponse(problem.model_dump(), error.status, headers, media_type=MEDIA_TYPE)


def find_problem(scope: Scope) -> str:
    """Find the type of the problem that a request was answered with; empty for none."""
    problem: str = scope.get("state", {}).get(_PROBLEM, "")
    return problem


def add_handlers(app: FastAPI) -> None:
    """Let `app` answer every error as a problem."""

    @app.exception_handler(ProblemError)
    async def answer_problem(request: Request, exc: ProblemError) -> JSONResponse:
        return build_response(exc, request.scope)

    @app.exception_handler(StartupError)
    async def answer_unavailable(request: Request, exc: StartupError) -> JSONResponse:
        return build_response(ModelUnavailableError(str(exc)), request.scope)

    @app.exception_handler(RequestValidationError)
    async def answer_invalid(request: Request, exc: RequestValidationError) -> JSONResponse:
        return build_response(InvalidRequestError(summarize(exc.errors())), request.scope)

    @app.exception_handler(HTTPException)
    async def answer_http(request: Request, exc: HTTPException) -> JSONResponse:
        return build_response(_translate(request, exc), request.scope, dict(exc.headers or {}))


def describe_errors(*errors: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """Describe the errors a route can give, for its OpenAPI `responses`; always with 500."""
    responses: dict[int | str, dict[str, Any]] = {}
    every: list[type[ProblemError]] = [*errors, InternalError]
    for error in every:
        entry = responses.setdefault(error.status, _begin_entry(error))
        if error.title not in entry["description"]:
            entry["description"] += f", or {error.title.lower()}"
        entry["content"]["application/json"]["examples"][error.type] = _build_example(error)
        if error.retry_after_s is not None:
            entry["headers"] = {
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            }
        if error.challenge is not None:
            entry["headers"] = {
                "WWW-Authenticate": {"description": "What to send.", "schema": {"type": "string"}}
            }
    return responses


def _begin_entry(error: type[ProblemError]) -> dict[str, Any]:
    """Begin the entry of a status; `app.api.http.openapi` puts its media type right."""
    content: dict[str, Any] = {"application/json": {"examples": {}}}
    return {"model": Problem, "description": error.title, "content": content}


def _build_example(error: type[ProblemError]) -> dict[str, Any]:
    """Build an example from the error's row of the table."""
    example = error(inspect.cleandoc(error.__doc__ or ""))
    value = example.describe("0b7c2f2e9a5c4a53b2a1f3f0a8d1c9ee")
    return {"summary": error.title, "value": value}


def _translate(request: Request, exc: HTTPException) -> ProblemError:
    """Find our error for one of FastAPI or Starlette.

    FastAPI turns an error of ours that the body raises into its own, and keeps it as the cause.
    """
    if isinstance(exc.__cause__, ProblemError):
        return exc.__cause__
    path = request.url.path
    match exc.status_code:
        case HTTPStatus.BAD_REQUEST:
            return InvalidRequestError(f"The body cannot be read: {exc.detail}")
        case HTTPStatus.NOT_FOUND:
            return NotFoundError(f"There is no {path}. See /docs for what there is.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodNotAllowedError(f"{path} has no {request.method}. See the Allow header.")
        case _:
            return build_internal_error()
