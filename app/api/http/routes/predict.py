"""POST /predict: one image in, its best labels out."""

from fastapi import APIRouter, Request, Response

from app.api.http.content_type import FormRoute
from app.api.http.dependencies import Deadline, Upload, read_upload
from app.api.http.predict_response import ERRORS, Options, classify_image
from schemas import PredictResponse

router = APIRouter(tags=["prediction"], route_class=FormRoute)


@router.post(
    "/predict",
    operation_id="predict",
    response_model=PredictResponse,
    responses=ERRORS,
    form_limits={"max_files": 2, "max_fields": 16, "max_part_size": 16 * 1024},
)
async def predict(request: Request, file: Upload, options: Options, deadline: Deadline) -> Response:
    """Classify one image. `Server-Timing` tells milliseconds of decode, queue and inference."""
    return await classify_image(request, await read_upload(request, file), options, deadline)
