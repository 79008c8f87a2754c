"""What the doors to the core share: an image, options and a deadline in, a typed answer out."""

from typing import Annotated

from fastapi import Query, Request, Response

from app.api.http.dependencies import get_predictor
from app.api.http.problems import document
from app.errors import (
    DeadlineExceededError,
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

ERRORS = document(
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
"""Errors that an image can get, for the OpenAPI document."""

BULK_ERRORS = document(
    UnauthorizedError,
    InvalidRequestError,
    UnsupportedMediaTypeError,
    PayloadTooLargeError,
    OverloadedError,
    ModelUnavailableError,
    DeadlineExceededError,
)
"""Errors that a whole bulk request can get."""

Options = Annotated[PredictOptions, Query()]


async def classify_image(
    request: Request, data: bytes, options: PredictOptions, deadline: float
) -> Response:
    """Classify one encoded image and answer a `PredictResponse`; raises ProblemError."""
    predictor = await get_predictor(request)
    classified = await predictor.classify(data, options, deadline)
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
