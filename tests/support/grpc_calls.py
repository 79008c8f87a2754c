"""gRPC calls to a service that runs, which must be the same behind both proxies."""

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from schemas.rpc.classifier_pb2 import LabelsRequest, PredictRequest
from schemas.rpc.classifier_pb2_grpc import ClassifierStub
from tests.support.grpc_server import read_reason, read_request_id, read_status
from tests.support.service import SEVEN, Service


def open_channel(service: Service) -> grpc.Channel:
    """Open a channel to a service; close it by `with`."""
    return grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}")


def check_calls(channel: grpc.Channel, key: str = "") -> None:
    """Check every kind of call: an answer, an error with its details, a stream, health."""
    sent = {"timeout": 30, "metadata": [("authorization", f"Bearer {key}")] if key else []}
    stub, seven = ClassifierStub(channel), SEVEN.read_bytes()
    answer, call = stub.Predict.with_call(PredictRequest(image=seven, top_k=1), **sent)
    assert answer.predictions[0].label == "7"
    assert dict(call.trailing_metadata())["request_id"]
    assert len(stub.Labels(LabelsRequest(), **sent).labels) == 10
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(PredictRequest(image=seven[:80]), **sent)
    status = read_status(caught.value)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert read_reason(status) == "UNDECODABLE_IMAGE"
    told = dict(caught.value.trailing_metadata())["request_id"]
    assert read_request_id(status) == told
    images = [seven, b"no image", seven]
    requests = (PredictRequest(image=image, top_k=1) for image in images)
    results = sorted(stub.PredictStream(requests, **sent), key=lambda result: result.index)
    assert [result.WhichOneof("outcome") for result in results] == [
        "response",
        "problem",
        "response",
    ]
    assert read_reason(results[1].problem) == "UNSUPPORTED_MEDIA_TYPE"
    check_health(channel)


def check_refusals(channel: grpc.Channel) -> None:
    """Check that without a key a service that has keys answers health alone."""
    stub, request = ClassifierStub(channel), PredictRequest(image=SEVEN.read_bytes())
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=30)
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert read_reason(read_status(caught.value)) == "UNAUTHORIZED"
    results = stub.PredictStream(iter([request]), timeout=30)
    with pytest.raises(grpc.RpcError) as caught:
        assert [result.WhichOneof("outcome") for result in results] == [None]
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert read_reason(read_status(caught.value)) == "UNAUTHORIZED"
    check_health(channel)


def check_health(channel: grpc.Channel) -> None:
    """Check that it says that it is well."""
    answer = HealthStub(channel).Check(HealthCheckRequest(), timeout=30)
    assert answer.status == HealthCheckResponse.SERVING
