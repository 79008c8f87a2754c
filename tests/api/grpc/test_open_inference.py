"""inference.GRPCInferenceService, over a real gRPC server; Triton's client is in tests/serve."""

import asyncio
import struct

import grpc
import numpy as np
import pytest

from app.errors import ModelUnavailableError
from schemas.rpc.inference_pb2 import (
    InferTensorContents,
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelReadyRequest,
    ServerLiveRequest,
    ServerMetadataRequest,
    ServerReadyRequest,
)
from schemas.rpc.inference_pb2_grpc import GRPCInferenceServiceStub
from tests.support.fake_backend import FakeBackend
from tests.support.grpc_server import open_channel, read_reason, read_status
from tests.support.samples import encode_grey

WHITE = encode_grey(255)
Input = ModelInferRequest.InferInputTensor


def make_request(
    datatype: str = "BYTES",
    shape: tuple[int, ...] = (1,),
    contents: InferTensorContents | None = None,
    raw: list[bytes] | None = None,
) -> ModelInferRequest:
    """Make a request of one input."""
    given = Input(name="image", datatype=datatype, shape=shape, contents=contents)
    return ModelInferRequest(
        model_name="fake", id="seven", inputs=[given], raw_input_contents=raw or []
    )


def infer(request: ModelInferRequest) -> ModelInferResponse:
    """Ask a fresh server."""

    async def ask() -> ModelInferResponse:
        async with open_channel(FakeBackend()) as (channel, _):
            answer: ModelInferResponse = await GRPCInferenceServiceStub(channel).ModelInfer(request)
            return answer

    return asyncio.run(ask())


RAW = struct.pack("<I", len(WHITE)) + WHITE
PIXELS = np.full((1, 2, 2, 3), 255, np.uint8)
REQUESTS = {
    "raw BYTES": make_request(raw=[RAW]),
    "BYTES": make_request(contents=InferTensorContents(bytes_contents=[WHITE])),
    "raw UINT8": make_request("UINT8", PIXELS.shape, raw=[PIXELS.tobytes()]),
    "UINT8": make_request(
        "UINT8", PIXELS.shape, InferTensorContents(uint_contents=PIXELS.ravel().tolist())
    ),
    "raw FP32": make_request("FP32", PIXELS.shape, raw=[np.ones((12,), np.float32).tobytes()]),
    "FP32": make_request("FP32", PIXELS.shape, InferTensorContents(fp32_contents=[1.0] * 12)),
}


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_every_kind_of_tensor_is_read(name: str) -> None:
    """A white image is white as raw bytes and as typed contents, encoded or not."""
    answer = infer(REQUESTS[name])
    assert (answer.model_name, answer.model_version, answer.id) == ("fake", "first", "seven")
    told = [(one.name, one.datatype, tuple(one.shape)) for one in answer.outputs]
    assert told == [("scores", "FP32", (1, 5)), ("logits", "FP32", (1, 5))]
    scores, logits = (np.frombuffer(raw, "<f4") for raw in answer.raw_output_contents)
    assert scores.argmax() == logits.argmax() == 4
    assert scores.sum() == pytest.approx(1)


def test_classification_is_asked_for_by_a_parameter() -> None:
    """As Triton's clients do."""
    request = make_request(raw=[RAW])
    request.outputs.add(name="scores").parameters["classification"].int64_param = 2
    (raw,) = infer(request).raw_output_contents
    (length,) = struct.unpack_from("<I", raw)
    assert raw[4 : 4 + length].endswith(b":4:white")


TWICE = make_request(raw=[RAW, RAW])
BOTH = make_request(contents=InferTensorContents(bytes_contents=[WHITE]), raw=[RAW])
NONE = ModelInferRequest(model_name="fake")
TWO = make_request(raw=[RAW, RAW])
TWO.inputs.add(name="image", datatype="BYTES", shape=[1])
MANY = make_request(raw=[RAW])
MANY.outputs.extend([ModelInferRequest.InferRequestedOutputTensor()] * 100_000)
NEGATIVE = make_request(raw=[RAW])
NEGATIVE.outputs.add(name="scores").parameters["classification"].int64_param = -1


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (TWICE, "raw_input_contents for the input"),
        (BOTH, "raw_input_contents for the input"),
        (NONE, "one input"),
        (TWO, "one input"),
        (NEGATIVE, "classification"),
        (MANY, "at most 8 outputs"),
        (
            make_request(contents=InferTensorContents(bytes_contents=[b""] * 100_000)),
            "has 1 elements, not 100000",
        ),
        (make_request("FP64", (1,), raw=[bytes(8)]), "datatype"),
        (make_request(shape=(2**62, 2**62), raw=[RAW]), "dimension"),
        (make_request(shape=(), raw=[RAW]), "dimension"),
        (make_request("UINT8", (1, 40_000, 40_000, 3), raw=[bytes(9)]), "has 4800000000 bytes"),
        (make_request(raw=[RAW[:-1]]), "Element 0 has"),
        (
            make_request("UINT8", (1, 1, 1, 3), InferTensorContents(uint_contents=[1, 2, 256])),
            "hold something else",
        ),
        (
            make_request("UINT8", (1, 1, 1, 3), InferTensorContents(fp32_contents=[1, 2, 3])),
            "has 3 elements, not 0",
        ),
    ],
)
def test_bad_tensors_are_refused(request_: ModelInferRequest, said: str) -> None:
    """With a message that tells which rule; nothing is held by what a shape announces."""
    with pytest.raises(grpc.RpcError) as caught:
        infer(request_)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert read_reason(read_status(caught.value)) == "INVALID_REQUEST"
    assert said in caught.value.details()


def test_too_many_typed_values_are_refused() -> None:
    """Each would take a step of Python, while all else waits."""
    shape = (1, 500, 500, 3)
    contents = InferTensorContents(uint_contents=bytes(750_000))
    with pytest.raises(grpc.RpcError) as caught:
        infer(make_request("UINT8", shape, contents))
    assert read_reason(read_status(caught.value)) == "PAYLOAD_TOO_LARGE"
    assert "raw bytes" in caught.value.details()


def test_state_and_metadata_are_told() -> None:
    """Of the server and of the model; one that fails is not ready, and that is an answer."""

    async def ask() -> None:
        backend = FakeBackend()
        async with open_channel(backend) as (channel, _):
            stub = GRPCInferenceServiceStub(channel)
            assert (await stub.ServerLive(ServerLiveRequest())).live
            assert (await stub.ServerReady(ServerReadyRequest())).ready
            assert (await stub.ServerMetadata(ServerMetadataRequest())).name == "vitrine"
            told = await stub.ModelMetadata(ModelMetadataRequest(name="fake"))
            assert list(told.versions) == ["first"]
            assert list(told.inputs[0].shape) == [-1]
            for name, version, ready in (
                ("fake", "", True),
                ("fake", "first", True),
                ("fake", "second", False),
                ("other", "", False),
            ):
                asked = ModelReadyRequest(name=name, version=version)
                assert (await stub.ModelReady(asked)).ready == ready
            with pytest.raises(grpc.RpcError) as caught:
                await stub.ModelMetadata(ModelMetadataRequest(name="other"))
            assert caught.value.code() == grpc.StatusCode.NOT_FOUND

    async def ask_failing() -> None:
        backend = FakeBackend()
        backend.fail(ModelUnavailableError("gone"))
        async with open_channel(backend) as (channel, _):
            stub = GRPCInferenceServiceStub(channel)
            assert (await stub.ServerLive(ServerLiveRequest())).live
            assert not (await stub.ServerReady(ServerReadyRequest())).ready
            assert not (await stub.ModelReady(ModelReadyRequest(name="fake"))).ready

    asyncio.run(ask())
    asyncio.run(ask_failing())
