"""POST /predict/raw: the image is the body, and nothing around it."""

from fastapi import APIRouter, Request, Response

from app.api.http.content_type import BINARY, RawRoute
from app.api.http.openapi import describe_body
from app.api.http.predict_response import ERRORS, Options, classify_image
from app.api.http.request_context import read_body
from schemas import PredictResponse

router = APIRouter(tags=["prediction"], route_class=RawRoute)

RAW_BODY = describe_body(
    "The bytes of the image; `image/*` does as well as a Content-Type.",
    BINARY,
    {"type": "string", "format": "binary"},
)


@router.post(
    "/predict/raw",
    operation_id="predict_raw",
    response_model=PredictResponse,
    responses=ERRORS,
    openapi_extra=RAW_BODY,
)
async def predict_raw(request: Request, options: Options) -> Response:
    """Classify an image that is sent as the body itself, as `curl --data-binary @x.jpg` does."""
    return await classify_image(request, await read_body(request), options)
