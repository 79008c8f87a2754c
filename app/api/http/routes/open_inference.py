"""/v2: the Open Inference Protocol, for clients of KServe, Triton and the like.

A model's name may have slashes, as Hub ids have. Each path of a model has a twin with the model's
version in it. OpenAPI leaves the twins out, where they would double every function. They are
declared last, which makes them the first that are tried.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from app.api.http.content_type import InferenceRoute
from app.api.http.open_inference_codec import read_call, write_answer
from app.api.http.predict_response import ERRORS
from app.api.http.problems import describe_errors
from app.api.http.request_context import get_context
from app.api.open_inference.service import InferenceService
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
_BODY = {
    "requestBody": {
        "required": True,
        "description": "Bytes of tensors may follow it: see the protocol's binary data extension.",
        "content": {
            "application/json": {
                "schema": {"$ref": f"#/components/schemas/{InferRequest.__name__}"}
            }
        },
    }
}

_EXAMPLE = {"example": "vitrine-digits"}  # which Swagger UI fills in, as it does no `examples`
Name = Annotated[str, Path(description="Name of the model.", json_schema_extra=_EXAMPLE)]


def is_infer(path: str) -> bool:
    """Tell whether a path takes images."""
    return path.startswith(f"{PREFIX}/models/") and path.endswith("/infer")


async def get_service(request: Request) -> InferenceService:
    """Get the service as the protocol sees it."""
    return get_context(request).services.inference


async def get_version(request: Request) -> str:
    """Get the version that the path names; empty where it names none."""
    version: str = request.path_params.get("version", "")
    return version


ServiceDep = Annotated[InferenceService, Depends(get_service)]
Version = Annotated[str, Depends(get_version)]


@router.get("", operation_id="server_metadata", responses=describe_errors(UnauthorizedError))
async def server_metadata(service: ServiceDep) -> ServerMetadata:
    """Describe the service."""
    return service.describe_server()


@router.get("/health/live", operation_id="server_live", responses=describe_errors())
async def server_live() -> ServerLive:
    """Tell that the process serves; it asks nothing of the model."""
    return ServerLive()


@router.get("/health/ready", operation_id="server_ready", responses=_READY_ERRORS)
async def server_ready(service: ServiceDep) -> ServerReady:
    """Tell whether the model answers."""
    await service.check_ready()
    return ServerReady()


@router.get(MODEL + "/ready", operation_id="model_ready", responses=_MODEL_ERRORS)
@router.get(VERSION + "/ready", include_in_schema=False)
async def model_ready(service: ServiceDep, name: Name, version: Version) -> ModelReady:
    """Tell whether this model answers."""
    await service.check_model_ready(name, version)
    return ModelReady(name=name)


@infer_router.post(
    MODEL + "/infer",
    operation_id="model_infer",
    response_model=InferResponse,
    responses=_INFER_ERRORS,
    openapi_extra=_BODY,
)
@infer_router.post(VERSION + "/infer", include_in_schema=False)
async def model_infer(
    request: Request, service: ServiceDep, name: Name, version: Version
) -> Response:
    """Classify images, which fail together. Bytes are answered where they are asked for."""
    asked, call = await read_call(request, name, version)
    return write_answer(asked, await service.infer(call, get_context(request).deadline))


@router.get(MODEL, operation_id="model_metadata", responses=_MODEL_ERRORS)
@router.get(VERSION, include_in_schema=False)
async def model_metadata(service: ServiceDep, name: Name, version: Version) -> ModelMetadata:
    """Describe the model, its input and its outputs."""
    return await service.describe_model(name, version)
