"""The gRPC API on a real gRPC server, over a fake classifier, in process and without Ray."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from app.api.grpc.servicer import GrpcServicer
from app.api.services import build_services
from app.auth.keys import Key
from app.backend import Backend
from app.limits import Limits
from app.prediction.predictor import Predictor
from schemas.rpc.classifier_pb2_grpc import add_ClassifierServicer_to_server
from schemas.rpc.inference_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from tests.support.http_app import LIMITS


@asynccontextmanager
async def open_channel(
    backend: Backend, limits: Limits = LIMITS, keys: tuple[Key, ...] = ()
) -> AsyncIterator[tuple[grpc.aio.Channel, Predictor]]:
    """Open a channel to the API over `backend`; gives the predictor behind it too."""
    predictor = Predictor(backend, limits)
    servicer = GrpcServicer(build_services(predictor, keys))
    server = grpc.aio.server()
    add_ClassifierServicer_to_server(servicer, server)
    add_GRPCInferenceServiceServicer_to_server(servicer, server)
    add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel, predictor
    finally:
        await server.stop(None)


def read_status(error: grpc.RpcError) -> Status:
    """Read the status in the details of an error."""
    metadata = dict(error.trailing_metadata())
    return Status.FromString(metadata["grpc-status-details-bin"])


def read_reason(status: Status) -> str:
    """Read the reason that a status gives."""
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "vitrine"
    return str(info.reason)


def read_request_id(status: Status) -> str:
    """Read the id of the call that a status tells of."""
    info = RequestInfo()
    assert status.details[1].Unpack(info)
    return str(info.request_id)


def read_retry_s(status: Status) -> int:
    """Read after how many seconds to try again; 0 where that is not said."""
    info = RetryInfo()
    return int(info.retry_delay.seconds) if status.details[-1].Unpack(info) else 0


async def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until it is so, five seconds at most."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
