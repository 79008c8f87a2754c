"""/v2: the Open Inference Protocol, for clients of KServe, Triton and the like.

A model's name may have slashes, as Hub ids have. Each path of a model has a twin with the model's
version in it. OpenAPI leaves the twins out, where they would double every function. They are
declared last, which makes them the first that are tried.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.api.http.content_type import JSON, InferenceRoute
from app.api.http.open_inference_codec import read_call, write_answer
from app.api.http.openapi import describe_body
from app.api.http.predict_response import ERRORS
from app.api.http.problems import describe_errors
from app.api.http.request_context import get_context
from app.errors import ModelUnavailableError, NotFoundError, UnauthorizedError
from schemas import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)

PREFIX = "/v2"
router = APIRouter(prefix=PREFIX, tags=["inference"])
infer_router = APIRouter(prefix=PREFIX, tags=["inference"], route_class=InferenceRoute)

MODEL = "/models/{name:path}"
VERSION = MODEL + "/versions/{version}"

_READY_ERRORS = describe_errors(ModelUnavailableError)
_MODEL_ERRORS = describe_errors(UnauthorizedError, NotFoundError, ModelUnavailableError)
_INFER_ERRORS = ERRORS | describe_errors(NotFoundError)
_BODY = describe_body(
    "Bytes of tensors may follow it: see the protocol's binary data extension.",
    JSON,
    {"$ref": f"#/components/schemas/{InferRequest.__name__}"},
)

_EXAMPLE = {"example": "vitrine-digits"}  # which Swagger UI fills in, as it does no `examples`
Name = Annotated[str, Path(description="Name of the model.", json_schema_extra=_EXAMPLE)]


def is_infer(path: str) -> bool:
    """Tell whether a path takes images."""
    return path.startswith(f"{PREFIX}/models/") and path.endswith("/infer")


@router.get("", operation_id="server_metadata", responses=describe_errors(UnauthorizedError))
async def server_metadata(request: Request) -> ServerMetadata:
    """Describe the service."""
    return get_context(request).services.inference.describe_server()


@router.get("/health/live", operation_id="server_live", responses=describe_errors())
async def server_live() -> ServerLive:
    """Tell that the process serves; it asks nothing of the model."""
    return ServerLive()


@router.get("/health/ready", operation_id="server_ready", responses=_READY_ERRORS)
async def server_ready(request: Request) -> ServerReady:
    """Tell whether the model answers."""
    await get_context(request).services.probe.check()
    return ServerReady()


@router.get(MODEL + "/ready", operation_id="model_ready", responses=_MODEL_ERRORS)
@router.get(VERSION + "/ready", include_in_schema=False)
async def model_ready(request: Request, name: Name) -> ModelReady:
    """Tell whether this model answers."""
    await get_context(request).services.inference.check_model_ready(name, _get_version(request))
    return ModelReady(name=name)


@infer_router.post(
    MODEL + "/infer",
    operation_id="model_infer",
    response_model=InferResponse,
    responses=_INFER_ERRORS,
    openapi_extra=_BODY,
)
@infer_router.post(VERSION + "/infer", include_in_schema=False)
async def model_infer(request: Request, name: Name) -> Response:
    """Classify images, which fail together. Bytes are answered where they are asked for."""
    context = get_context(request)
    asked, call = await read_call(request, name, _get_version(request))
    return write_answer(asked, await context.services.inference.infer(call, context.deadline))


@router.get(MODEL, operation_id="model_metadata", responses=_MODEL_ERRORS)
@router.get(VERSION, include_in_schema=False)
async def model_metadata(request: Request, name: Name) -> ModelMetadata:
    """Describe the model, its input and its outputs."""
    inference = get_context(request).services.inference
    return await inference.describe_model(name, _get_version(request))


def _get_version(request: Request) -> str:
    """Get the version that the path names; empty where it names none."""
    version: str = request.path_params.get("version", "")
    return version
