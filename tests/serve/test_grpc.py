"""gRPC on a real service, behind HAProxy; behind the Python proxy see test_python_proxy.py."""

import re
import subprocess
import sys
import time

import grpc
import httpx
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from schemas.rpc.classifier_pb2 import PredictRequest
from schemas.rpc.classifier_pb2_grpc import ClassifierStub
from tests.support.grpc_calls import check_calls, check_refusals, open_channel
from tests.support.service import ANN, ROOT, SEVEN, Service


def test_every_kind_of_call_is_answered(service: Service) -> None:
    """Answers, errors with their details, streams and health."""
    with open_channel(service) as channel:
        check_calls(channel)


def test_a_key_is_required_where_there_are_keys(closed: Service) -> None:
    """As for HTTP; without one there is health alone."""
    with open_channel(closed) as channel:
        check_calls(channel, ANN)
        check_refusals(channel)


def test_tools_learn_of_it_by_reflection(service: Service) -> None:
    """What grpcurl asks: which services there are, and what their messages hold."""
    with open_channel(service) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) >= {
            "vitrine.v1.Classifier",
            "inference.GRPCInferenceService",
            "grpc.health.v1.Health",
        }
        file = database.FindFileContainingSymbol("vitrine.v1.Classifier")
        assert [method.name for method in file.service[0].method] == [
            "Predict",
            "PredictStream",
            "Labels",
        ]


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_too_large_a_message_is_refused(service: Service, compression: grpc.Compression) -> None:
    """By gRPC itself, before it is held: sent as it is, or packed into a thousandth."""
    request = PredictRequest(image=bytes(40_000_000))
    with open_channel(service) as channel, pytest.raises(grpc.RpcError) as caught:
        ClassifierStub(channel).Predict(request, timeout=30, compression=compression)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_docs_example_works(service: Service) -> None:
    """The one of docs/clients.md, but for the port."""
    text = (ROOT / "docs" / "clients.md").read_text()
    start = r"```python\n(from pathlib import Path\n\nimport grpc\n"
    (code,) = re.findall(start + ".*?)```", text, re.DOTALL)
    code = code.replace("127.0.0.1:9000", f"127.0.0.1:{service.grpc_port}")
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    label, error = done.stdout.splitlines()
    assert label == "7"
    assert error.startswith("INVALID_ARGUMENT UNDECODABLE_IMAGE The image cannot be decoded")


def test_a_cancelled_call_frees_its_slots(service: Service) -> None:
    """In the middle of a stream that goes on and on."""
    request = PredictRequest(image=SEVEN.read_bytes())

    def count_images() -> int:
        queue = httpx.get(f"{service.url}/health", timeout=30).json()["queue"]
        return int(queue["images"]) + int(queue["bytes"])

    with open_channel(service) as channel:
        results = ClassifierStub(channel).PredictStream(request for _ in range(1_000_000))
        for _ in range(20):
            next(results)
        results.cancel()
        deadline = time.monotonic() + 10
        while count_images():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_the_log_says_where_it_is(service: Service) -> None:
    """Beside where HTTP is."""
    assert f"gRPC at 127.0.0.1:{service.grpc_port}" in service.read_log()
