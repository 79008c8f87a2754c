"""inference.GRPCInferenceService: the Open Inference Protocol v2 over gRPC."""

import asyncio
from collections.abc import Sequence

from app.api.grpc.middleware import Methods, unary
from app.api.open_inference.outputs import Wanted
from app.api.open_inference.service import Answer, Call
from app.api.open_inference.tensors import Tensor, read_raw, read_values, write_raw
from app.errors import InvalidRequestError, ModelUnavailableError, NotFoundError
from schemas import MAX_OUTPUTS
from schemas.rpc.inference_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    ServerLiveRequest,
    ServerLiveResponse,
    ServerMetadataRequest,
    ServerMetadataResponse,
    ServerReadyRequest,
    ServerReadyResponse,
)

SERVICE = "inference.GRPCInferenceService"

_FIELDS = {"BYTES": "bytes_contents", "UINT8": "uint_contents", "FP32": "fp32_contents"}
"""Field of the contents of a datatype, where they are not raw."""


class InferenceMethods(Methods):
    """The methods of the service."""

    @unary(SERVICE, ServerLiveResponse, is_open=True)
    async def ServerLive(self, _request: ServerLiveRequest) -> ServerLiveResponse:  # noqa: N802
        """Tell that the process serves; it asks nothing of the model."""
        return ServerLiveResponse(live=True)

    @unary(SERVICE, ServerReadyResponse, is_open=True)
    async def ServerReady(self, _request: ServerReadyRequest) -> ServerReadyResponse:  # noqa: N802
        """Tell whether the model answers."""
        try:
            await self.services.probe.check()
        except ModelUnavailableError:
            return ServerReadyResponse(ready=False)
        return ServerReadyResponse(ready=True)

    @unary(SERVICE, ModelReadyResponse)
    async def ModelReady(self, request: ModelReadyRequest) -> ModelReadyResponse:  # noqa: N802
        """Tell whether this model answers; another one does not."""
        try:
            await self.services.inference.check_model_ready(request.name, request.version)
        except (NotFoundError, ModelUnavailableError):
            return ModelReadyResponse(ready=False)
        return ModelReadyResponse(ready=True)

    @unary(SERVICE, ServerMetadataResponse)
    async def ServerMetadata(self, _request: ServerMetadataRequest) -> ServerMetadataResponse:  # noqa: N802
        """Describe the service."""
        return ServerMetadataResponse(**self.services.inference.describe_server().model_dump())

    @unary(SERVICE, ModelMetadataResponse)
    async def ModelMetadata(self, request: ModelMetadataRequest) -> ModelMetadataResponse:  # noqa: N802
        """Describe the model, its input and its outputs."""
        described = await self.services.inference.describe_model(request.name, request.version)
        return ModelMetadataResponse(**described.model_dump())

    @unary(SERVICE, ModelInferResponse)
    async def ModelInfer(self, request: ModelInferRequest) -> ModelInferResponse:  # noqa: N802
        """Classify images, which fail together.

        The client's own deadline needs no check: when it has passed, the call is cancelled.
        """
        timeout_s = self.services.predictor.limits.timeout_s
        deadline = asyncio.get_running_loop().time() + timeout_s
        answer = await self.services.inference.infer(_read_call(request), deadline)
        return _build_response(request.id, answer)


def _read_call(request: ModelInferRequest) -> Call:
    """Read what is asked; raises InvalidRequestError before anything of it is unpacked."""
    if len(request.inputs) != 1:
        raise InvalidRequestError(f"Send one input, not {len(request.inputs)}.")
    if len(request.outputs) > MAX_OUTPUTS:
        raise InvalidRequestError(f"Ask for at most {MAX_OUTPUTS} outputs.")
    return Call(
        model_name=request.model_name,
        model_version=request.model_version,
        inputs=[_read_input(request.inputs[0], request.raw_input_contents)],
        outputs=[
            Wanted(output.name, output.parameters["classification"].int64_param)
            if "classification" in output.parameters
            else Wanted(output.name)
            for output in request.outputs
        ],
    )


def _read_input(given: ModelInferRequest.InferInputTensor, raw: Sequence[bytes]) -> Tensor:
    """Read the tensor, from its raw contents or from typed ones; raises InvalidRequestError."""
    if not raw:
        field = _FIELDS.get(given.datatype)
        contents = getattr(given.contents, field) if field else ()
        return read_values(given.name, given.datatype, given.shape, contents)
    if len(raw) > 1 or given.HasField("contents"):
        raise InvalidRequestError("Send raw_input_contents for the input, or its contents.")
    return read_raw(given.name, given.datatype, given.shape, raw[0])


def _build_response(identifier: str, answer: Answer) -> ModelInferResponse:
    """Build the message of an answer, with raw contents."""
    return ModelInferResponse(
        model_name=answer.model_name,
        model_version=answer.model_version,
        id=identifier,
        outputs=[
            ModelInferResponse.InferOutputTensor(
                name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
            )
            for tensor in answer.outputs
        ],
        raw_output_contents=map(write_raw, answer.outputs),
    )
