"""grpc.health.v1.Health, over a real gRPC server."""

import asyncio

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from app.auth.keys import parse_keys
from app.errors import ModelUnavailableError
from tests.support.fake_backend import FakeBackend
from tests.support.grpc_server import open_channel

NAMES = ("", "vitrine.v1.Classifier", "inference.GRPCInferenceService")
KEYS = parse_keys("ann:a-key-of-some-length")


async def check(name: str, backend: FakeBackend) -> int:
    """Ask a fresh server, one that has keys, without a key."""
    async with open_channel(backend, keys=KEYS) as (channel, _):
        answer = await HealthStub(channel).Check(HealthCheckRequest(service=name))
        return int(answer.status)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_works_serves(name: str) -> None:
    """The server and each service, without a key."""
    assert asyncio.run(check(name, FakeBackend())) == HealthCheckResponse.SERVING


def test_a_model_that_fails_does_not() -> None:
    """As an answer, not as an error: that is what orchestrators read."""
    backend = FakeBackend()
    backend.fail(ModelUnavailableError("gone"))
    assert asyncio.run(check("", backend)) == HealthCheckResponse.NOT_SERVING


def test_an_unknown_service_is_not_found() -> None:
    """As the protocol wants it."""
    with pytest.raises(grpc.RpcError) as caught:
        asyncio.run(check("another.Service", FakeBackend()))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_all_services_are_listed() -> None:
    """With what each of them would be told."""
    async with open_channel(FakeBackend(), keys=KEYS) as (channel, _):
        answer = await HealthStub(channel).List(HealthListRequest())
        result = {name: one.status for name, one in answer.statuses.items()}
    assert result == dict.fromkeys(NAMES, HealthCheckResponse.SERVING)


def test_nothing_is_watched() -> None:
    """The protocol's word for it is UNIMPLEMENTED."""

    async def watch() -> None:
        async with open_channel(FakeBackend()) as (channel, _):
            async for _ in HealthStub(channel).Watch(HealthCheckRequest()):
                pass

    with pytest.raises(grpc.RpcError) as caught:
        asyncio.run(watch())
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
