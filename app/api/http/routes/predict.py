"""POST /predict: one image in, its best labels out."""

from typing import Annotated

from fastapi import APIRouter, File, Request, Response, UploadFile

from app.api.http.content_type import FormRoute
from app.api.http.predict_response import ERRORS, Options, classify_image
from app.errors import InvalidRequestError
from schemas import PredictResponse

router = APIRouter(tags=["prediction"], route_class=FormRoute)

Upload = Annotated[
    UploadFile,
    File(description="The image: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, and HEIF if installed."),
]


@router.post(
    "/predict",
    operation_id="predict",
    response_model=PredictResponse,
    responses=ERRORS,
    form_limits={"max_files": 2, "max_fields": 16, "max_part_size": 16 * 1024},
)
async def predict(request: Request, file: Upload, options: Options) -> Response:
    """Classify one image. `Server-Timing` tells milliseconds of decode, queue and inference."""
    return await classify_image(request, await read_upload(request, file), options)


async def read_upload(request: Request, file: UploadFile) -> bytes:
    """Read the part `file`; two of them are refused, where the form would keep the last."""
    form = await request.form()  # FastAPI has read it already
    if len(form.getlist("file")) > 1:
        raise InvalidRequestError("body file: more than one part of this name; send one image.")
    return await file.read()
