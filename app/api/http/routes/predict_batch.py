"""POST /predict/batch: classify many images; each gets its best labels, or its problem."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, File, Request, Response, UploadFile

from app.api.http.batch_response import NDJSON, answer_bulk
from app.api.http.content_type import FormRoute, JsonRoute
from app.api.http.image_sources import SourceReader
from app.api.http.predict_response import BULK_ERRORS, Options
from schemas import BulkResponse, ImageSources

form_router = APIRouter(tags=["prediction"], route_class=FormRoute)
json_router = APIRouter(tags=["prediction"], route_class=JsonRoute)

PATH, JSON_PATH = "/predict/batch", "/predict/batch/json"
MAX_PARTS = 1025
"""One more than `VITRINE_MAX_BULK` may be."""

_RESPONSES = BULK_ERRORS | {
    200: {
        "description": "For each image a result or a problem, in order; as NDJSON as they finish.",
        "content": {NDJSON: {"schema": {"$ref": "#/components/schemas/BulkItem"}}},
    }
}

Uploads = Annotated[list[UploadFile], File(description="The images, each a part of this name.")]


@form_router.post(
    PATH,
    operation_id="predict_batch",
    response_model=BulkResponse,
    responses=_RESPONSES,
    form_limits={"max_files": MAX_PARTS, "max_fields": 16, "max_part_size": 16 * 1024},
)
async def predict_batch(request: Request, files: Uploads, options: Options) -> Response:
    """Classify many images. `Accept: application/x-ndjson` streams the items as they finish."""
    return await answer_bulk(request, [file.read for file in files], options)


@json_router.post(
    JSON_PATH, operation_id="predict_batch_json", response_model=BulkResponse, responses=_RESPONSES
)
async def predict_batch_json(request: Request, body: ImageSources, options: Options) -> Response:
    """Classify many images that are sent as base64, alone or in data URIs, or that URLs name."""
    reader = SourceReader(request)
    reads = [partial(reader.read, source) for source in body.images]
    return await answer_bulk(request, reads, options)
