"""POST /predict/json: the JSON body has the image as base64, or its URL."""

from fastapi import APIRouter, Request, Response

from app.api.http.content_type import JsonRoute
from app.api.http.image_sources import SourceReader
from app.api.http.predict_response import ERRORS, Options, classify_image
from schemas import ImageSource, PredictResponse

router = APIRouter(tags=["prediction"], route_class=JsonRoute)

PATH = "/predict/json"


@router.post(PATH, operation_id="predict_json", response_model=PredictResponse, responses=ERRORS)
async def predict_json(request: Request, body: ImageSource, options: Options) -> Response:
    """Classify an image that is sent as base64, alone or in a data URI, or that a URL names."""
    return await classify_image(request, await SourceReader(request).read(body), options)
