"""What the routes that classify one image share: an image and options in, a typed answer out."""

from typing import Annotated

from fastapi import Query, Request, Response

from app.api.http.problems import describe_errors
from app.api.http.request_context import get_context
from app.errors import (
    DeadlineExceededError,
    ExplanationUnavailableError,
    ImageTooLargeError,
    InvalidRequestError,
    ModelUnavailableError,
    OverloadedError,
    PayloadTooLargeError,
    UnauthorizedError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
)
from app.prediction.result import Timing
from schemas import PredictOptions

Options = Annotated[PredictOptions, Query()]
"""FastAPI reads them, so that one error names wrong options and a wrong body."""

_ERRORS = (
    UnauthorizedError,
    InvalidRequestError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
    ImageTooLargeError,
    PayloadTooLargeError,
    OverloadedError,
    ModelUnavailableError,
    DeadlineExceededError,
)
_OF_ONE_IMAGE = {UndecodableImageError, ImageTooLargeError}

ERRORS = describe_errors(*_ERRORS)
"""Errors that the request of one image can get, as OpenAPI's responses."""

EXPLAIN_ERRORS = describe_errors(*_ERRORS, ExplanationUnavailableError)
"""Errors that an explanation can get."""

BULK_ERRORS = describe_errors(*(error for error in _ERRORS if error not in _OF_ONE_IMAGE))
"""Errors that a whole bulk request can get; its items have those of an image."""


async def classify_image(request: Request, data: bytes, options: PredictOptions) -> Response:
    """Classify one encoded image and answer a `PredictResponse`; raises ProblemError."""
    context = get_context(request)
    classified = await context.services.predictor.classify(data, options, context.deadline)
    # Written here and not by FastAPI, which would validate what the core has just built.
    return Response(
        classified.response.model_dump_json(),
        headers={"Server-Timing": _format_timing(classified.timing)},
        media_type="application/json",
    )


def _format_timing(timing: Timing) -> str:
    """Format the Server-Timing header (W3C Server Timing)."""
    return (
        f"decode;dur={timing.decode_ms:.2f}, queue;dur={timing.queue_ms:.2f}, "
        f"inference;dur={timing.inference_ms:.2f}"
    )
