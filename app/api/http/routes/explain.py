"""POST /explain, /explain/raw and /explain/json: one image in, where the model looked out."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.http.content_type import FormRoute, JsonRoute, RawRoute
from app.api.http.image_sources import SourceReader
from app.api.http.predict_response import EXPLAIN_ERRORS
from app.api.http.request_context import get_context, read_body
from app.api.http.routes.predict import Upload, read_upload
from app.api.http.routes.predict_raw import RAW_BODY
from schemas import ExplainOptions, ExplainResponse, ImageSource

form_router = APIRouter(tags=["explanation"], route_class=FormRoute)
raw_router = APIRouter(tags=["explanation"], route_class=RawRoute)
json_router = APIRouter(tags=["explanation"], route_class=JsonRoute)

JSON_PATH = "/explain/json"
PNG = "image/png"

Options = Annotated[ExplainOptions, Query()]

_RESPONSES = EXPLAIN_ERRORS | {
    200: {
        "description": "Relevance by cell, or the map over the upright image (`format=png`).",
        "content": {PNG: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@form_router.post(
    "/explain",
    operation_id="explain",
    response_model=ExplainResponse,
    responses=_RESPONSES,
    form_limits={"max_files": 2, "max_fields": 16, "max_part_size": 16 * 1024},
)
async def explain(request: Request, file: Upload, options: Options) -> Response:
    """Tell where the model looked for a label. `Server-Timing` tells milliseconds."""
    return await _explain_image(request, await read_upload(request, file), options)


@raw_router.post(
    "/explain/raw",
    operation_id="explain_raw",
    response_model=ExplainResponse,
    responses=_RESPONSES,
    openapi_extra=RAW_BODY,
)
async def explain_raw(request: Request, options: Options) -> Response:
    """Explain an image that is sent as the body itself."""
    return await _explain_image(request, await read_body(request), options)


@json_router.post(
    JSON_PATH, operation_id="explain_json", response_model=ExplainResponse, responses=_RESPONSES
)
async def explain_json(request: Request, body: ImageSource, options: Options) -> Response:
    """Explain an image that is sent as base64, alone or in a data URI, or that a URL names."""
    return await _explain_image(request, await SourceReader(request).read(body), options)


async def _explain_image(request: Request, data: bytes, options: ExplainOptions) -> Response:
    """Explain one encoded image, and answer JSON or a PNG; raises ProblemError."""
    context = get_context(request)
    drawn = await context.services.explanations.explain(data, options, context.deadline)
    decode_ms, explain_ms = drawn.measure()
    timing = f"decode;dur={decode_ms:.2f}, explain;dur={explain_ms:.2f}"
    headers = {"Server-Timing": timing}
    if drawn.png is not None:
        return Response(drawn.png, headers=headers, media_type=PNG)
    assert drawn.response is not None  # noqa: S101 - else there is a PNG
    return Response(
        drawn.response.model_dump_json(), headers=headers, media_type="application/json"
    )
