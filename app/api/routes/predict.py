"""POST /predict: one image in, its best labels out."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.dependencies import PredictorDep, UploadDep
from app.api.problems import document
from app.errors import (
    DeadlineExceededError,
    ImageTooLargeError,
    InvalidRequestError,
    ModelUnavailableError,
    OverloadedError,
    PayloadTooLargeError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
)
from app.prediction.predictor import Timing
from schemas import PredictOptions, PredictResponse

router = APIRouter(tags=["prediction"])

_ERRORS = document(
    InvalidRequestError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
    ImageTooLargeError,
    PayloadTooLargeError,
    OverloadedError,
    ModelUnavailableError,
    DeadlineExceededError,
)


@router.post(
    "/predict",
    operation_id="predict",
    responses=_ERRORS,
    form_limits={"max_files": 2, "max_fields": 16, "max_part_size": 16 * 1024},
)
async def predict(
    file: UploadDep,
    options: Annotated[PredictOptions, Query()],
    predictor: PredictorDep,
    response: Response,
) -> PredictResponse:
    """Classify one image. `Server-Timing` tells milliseconds of decode, queue and inference."""
    classified = await predictor.classify(file, options)
    response.headers["Server-Timing"] = _format_timing(classified.timing)
    return classified.response


def _format_timing(timing: Timing) -> str:
    """Format the Server-Timing header (W3C Server Timing)."""
    return (
        f"decode;dur={timing.decode_ms:.2f}, queue;dur={timing.queue_ms:.2f}, "
        f"inference;dur={timing.inference_ms:.2f}"
    )
