"""POST /predict: one image in, its best labels out."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.dependencies import Deadline, Upload, get_predictor, read_upload
from app.api.forms import FormRoute
from app.api.problems import document
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
from app.prediction.predictor import Timing
from schemas import PredictOptions, PredictResponse

router = APIRouter(tags=["prediction"], route_class=FormRoute)

_ERRORS = document(
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


@router.post(
    "/predict",
    operation_id="predict",
    response_model=PredictResponse,
    responses=_ERRORS,
    form_limits={"max_files": 2, "max_fields": 16, "max_part_size": 16 * 1024},
)
async def predict(
    request: Request,
    file: Upload,
    options: Annotated[PredictOptions, Query()],
    deadline: Deadline,
) -> Response:
    """Classify one image. `Server-Timing` tells milliseconds of decode, queue and inference."""
    data = await read_upload(request, file)
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
