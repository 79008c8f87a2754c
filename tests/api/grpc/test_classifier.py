"""vitrine.v1.Classifier, over a real gRPC server."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import grpc
import pytest

from app.auth.keys import parse_keys
from app.errors import (
    DeadlineExceededError,
    InternalError,
    ModelUnavailableError,
    OverloadedError,
    ProblemError,
)
from schemas.rpc.classifier_pb2 import (
    SCORES_ALL,
    LabelsRequest,
    PredictRequest,
    PredictResponse,
    PredictResult,
)
from schemas.rpc.classifier_pb2_grpc import ClassifierStub
from tests.support.fake_backend import FakeBackend
from tests.support.grpc_server import (
    open_channel,
    read_reason,
    read_request_id,
    read_retry_s,
    read_status,
    wait_until,
)
from tests.support.http_app import LIMITS
from tests.support.samples import encode_grey

WHITE, BLACK = encode_grey(255, (64, 64)), encode_grey(0, (64, 64))
TRUNCATED = WHITE[:60]


async def predict(request: PredictRequest, backend: FakeBackend | None = None) -> PredictResponse:
    """Ask a fresh server once."""
    async with open_channel(backend or FakeBackend()) as (channel, _):
        response: PredictResponse = await ClassifierStub(channel).Predict(request)
        return response


async def stream(requests: Iterable[PredictRequest]) -> list[PredictResult]:
    """Send a stream to a fresh server; gives its results by index."""
    async with open_channel(FakeBackend()) as (channel, _):
        results = [result async for result in ClassifierStub(channel).PredictStream(requests)]
    return sorted(results, key=lambda result: result.index)


def refuse(request: PredictRequest, backend: FakeBackend | None = None) -> grpc.RpcError:
    """Ask a fresh server what it refuses."""
    with pytest.raises(grpc.RpcError) as caught:
        asyncio.run(predict(request, backend))
    return caught.value


def test_an_image_is_classified() -> None:
    """The answer has what HTTP's has, and no scores or logits unasked."""
    response = asyncio.run(predict(PredictRequest(image=WHITE, top_k=2)))
    assert [one.label for one in response.predictions] == ["white", "light"]
    assert response.predictions[0].label_id == 4
    assert (response.model.id, response.model.revision) == ("fake", "first")
    assert (response.image.width, response.image.height, response.image.format) == (64, 64, "PNG")
    assert not response.scores
    assert not response.logits


def test_all_scores_and_logits_are_there_for_the_asking() -> None:
    """Of every label, by label id; a threshold leaves predictions out, and no scores."""
    request = PredictRequest(image=WHITE, scores=SCORES_ALL, logits=True, threshold=1.0)
    response = asyncio.run(predict(request))
    assert not response.predictions
    assert len(response.scores) == len(response.logits) == 5
    assert sum(response.scores) == pytest.approx(1)


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (PredictRequest(), grpc.StatusCode.INVALID_ARGUMENT, "UNDECODABLE_IMAGE"),
        (
            PredictRequest(image=TRUNCATED),
            grpc.StatusCode.INVALID_ARGUMENT,
            "UNDECODABLE_IMAGE",
        ),
        (PredictRequest(image=b"%PDF"), grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_MEDIA_TYPE"),
        (
            PredictRequest(image=b"\x89PNG" + bytes(50_000)),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "PAYLOAD_TOO_LARGE",
        ),
        (PredictRequest(image=WHITE, top_k=0), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        (PredictRequest(image=WHITE, top_k=9), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        (
            PredictRequest(image=WHITE, threshold=float("nan")),
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_REQUEST",
        ),
    ],
)
def test_bad_input_gets_its_code_and_reason(
    request_: PredictRequest, code: grpc.StatusCode, reason: str
) -> None:
    """Each row of the error table has its gRPC code; the details say the same as the message."""
    error = refuse(request_)
    status = read_status(error)
    assert error.code() == code
    assert read_reason(status) == reason
    assert status.code == code.value[0]
    assert status.message == error.details()
    assert len(read_request_id(status)) == 32


@pytest.mark.parametrize(
    ("error", "code", "retry_s"),
    [
        (OverloadedError("full"), grpc.StatusCode.UNAVAILABLE, 1),
        (ModelUnavailableError("gone"), grpc.StatusCode.UNAVAILABLE, 5),
        (DeadlineExceededError("late"), grpc.StatusCode.DEADLINE_EXCEEDED, 0),
        (InternalError("odd"), grpc.StatusCode.INTERNAL, 0),
    ],
)
def test_what_the_classifier_lacks_gets_its_code(
    error: ProblemError, code: grpc.StatusCode, retry_s: int
) -> None:
    """Where trying again helps, the details say when."""

    async def ask() -> None:
        backend = FakeBackend()
        async with open_channel(backend) as (channel, _):
            stub = ClassifierStub(channel)
            await stub.Predict(PredictRequest(image=WHITE))
            backend.fail(error)
            await stub.Predict(PredictRequest(image=WHITE))

    with pytest.raises(grpc.RpcError) as caught:
        asyncio.run(ask())
    assert caught.value.code() == code
    assert read_retry_s(read_status(caught.value)) == retry_s


def test_an_unforeseen_error_is_internal(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets an id to quote and no inner word; the log has the traceback."""
    backend = FakeBackend()
    backend.fail(LookupError("an inner word"))  # type: ignore[arg-type] # no error of ours
    error = refuse(PredictRequest(image=WHITE), backend)
    assert error.code() == grpc.StatusCode.INTERNAL
    assert "inner word" not in error.details()
    assert read_request_id(read_status(error)) in error.details()
    assert "an inner word" in caplog.text


def test_a_call_leaves_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """With its full name, its status and the id that the client chose."""
    caplog.set_level("INFO", "vitrine.access")

    async def ask() -> None:
        async with open_channel(FakeBackend()) as (channel, _):
            stub = ClassifierStub(channel)
            await stub.Predict(PredictRequest(image=WHITE), metadata=[("request_id", "mine")])
            with pytest.raises(grpc.RpcError) as caught:
                await stub.Predict(PredictRequest(), metadata=[("request_id", "mine")])
            assert read_request_id(read_status(caught.value)) == "mine"

    asyncio.run(ask())
    lines = [record.getMessage() for record in caplog.records if record.name == "vitrine.access"]
    assert [line.rsplit(" ", 2)[0] for line in lines] == [
        "gRPC /vitrine.v1.Classifier/Predict OK",
        "gRPC /vitrine.v1.Classifier/Predict INVALID_ARGUMENT",
    ]


@pytest.mark.parametrize("metadata", [("authorization", "Bearer KEY"), ("x-api-key", "KEY")])
async def test_a_key_opens_the_door(metadata: tuple[str, str]) -> None:
    """Who brings none, or a wrong one, is refused on every method; health is open."""
    key = "a-key-of-some-length"
    async with open_channel(FakeBackend(), keys=parse_keys(f"ann:{key}")) as (channel, _):
        stub = ClassifierStub(channel)
        right = [(metadata[0], metadata[1].replace("KEY", key))]
        await stub.Predict(PredictRequest(image=WHITE), metadata=right)
        await stub.Labels(LabelsRequest(), metadata=right)
        for wrong in ([], [(metadata[0], metadata[1])]):
            calls = [
                stub.Predict(PredictRequest(image=WHITE), metadata=wrong),
                stub.Labels(LabelsRequest(), metadata=wrong),
                anext(aiter(stub.PredictStream(iter([PredictRequest()]), metadata=wrong))),
            ]
            for call in calls[:2]:
                with pytest.raises(grpc.RpcError) as caught:
                    await call
                assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert not (await calls[2]).WhichOneof("outcome")


async def test_labels_are_listed() -> None:
    """By rising id, with the model that has them."""
    async with open_channel(FakeBackend()) as (channel, _):
        answer = await ClassifierStub(channel).Labels(LabelsRequest())
        assert answer.model.revision == "first"
        labels = [(label.id, label.label) for label in answer.labels]
    assert labels == list(enumerate(["black", "dark", "grey", "light", "white"]))


def test_a_stream_gives_each_image_its_result() -> None:
    """One bad image among good ones gets its problem, at its index, and disturbs no other."""
    images = [WHITE, BLACK, TRUNCATED, WHITE] * 8
    results = asyncio.run(stream(PredictRequest(image=image, top_k=1) for image in images))
    assert [result.index for result in results] == list(range(32))
    for image, result in zip(images, results, strict=True):
        if image is TRUNCATED:
            assert read_reason(result.problem) == "UNDECODABLE_IMAGE"
        else:
            label = "white" if image is WHITE else "black"
            assert result.response.predictions[0].label == label


def test_an_empty_stream_is_answered() -> None:
    """With no result, and no error."""
    assert asyncio.run(stream([])) == []


async def test_a_stream_holds_a_batch_at_most() -> None:
    """However many images are sent, no more are read than a batch has; the rest waits outside."""
    sent = 0

    async def send() -> AsyncIterator[PredictRequest]:
        nonlocal sent
        for _ in range(2000):
            sent += 1
            yield PredictRequest(image=WHITE + bytes(30_000))

    backend = FakeBackend()
    async with open_channel(backend) as (channel, predictor):
        stub, admission = ClassifierStub(channel), predictor.admission
        await stub.Predict(PredictRequest(image=WHITE))
        backend.hang()
        call = stub.PredictStream(send())
        await wait_until(lambda: admission.images == LIMITS.batch_size)
        await asyncio.sleep(0.3)
        assert admission.images == LIMITS.batch_size
        assert admission.bytes < LIMITS.batch_size * 31_000
        assert sent < 1000  # megabytes of windows are in between
        call.cancel()
        await wait_until(lambda: not (admission.images or admission.bytes))


async def test_a_client_that_disconnects_frees_its_slots() -> None:
    """In the middle of a call, and of a stream."""
    backend = FakeBackend()
    async with open_channel(backend) as (channel, predictor):
        stub = ClassifierStub(channel)
        await stub.Predict(PredictRequest(image=WHITE))
        backend.hang()
        call = stub.Predict(PredictRequest(image=WHITE))
        requests = iter([PredictRequest(image=WHITE)] * 3)
        results = stub.PredictStream(requests)
        admission = predictor.admission
        await wait_until(lambda: admission.images == 4)
        call.cancel()
        results.cancel()
        await wait_until(lambda: not (admission.images or admission.bytes))
        assert admission.cancelled == 4


async def test_a_clients_deadline_ends_its_call() -> None:
    """And the work for it."""
    backend = FakeBackend()
    async with open_channel(backend) as (channel, predictor):
        stub = ClassifierStub(channel)
        await stub.Predict(PredictRequest(image=WHITE))
        backend.hang()
        with pytest.raises(grpc.RpcError) as caught:
            await stub.Predict(PredictRequest(image=WHITE), timeout=0.2)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.sleep(0.1)
        assert predictor.admission.images == 0


async def test_the_services_own_deadline_holds() -> None:
    """A client that names none waits as long as VITRINE_TIMEOUT_S."""
    backend = FakeBackend()
    async with open_channel(backend, replace(LIMITS, timeout_s=0.3)) as (channel, _):
        stub = ClassifierStub(channel)
        await stub.Predict(PredictRequest(image=WHITE))
        backend.hang()
        with pytest.raises(grpc.RpcError) as caught:
            await stub.Predict(PredictRequest(image=WHITE))
        assert read_reason(read_status(caught.value)) == "DEADLINE_EXCEEDED"


async def test_a_silent_stream_is_ended() -> None:
    """One that brings nothing for as long as an image may take."""

    async def say_nothing() -> AsyncIterator[PredictRequest]:
        yield PredictRequest(image=WHITE, top_k=1)
        await asyncio.sleep(60)

    async with open_channel(FakeBackend(), replace(LIMITS, timeout_s=0.3)) as (channel, _):
        results = aiter(ClassifierStub(channel).PredictStream(say_nothing()))
        outcomes = [(await anext(results)).WhichOneof("outcome") for _ in range(2)]
        assert outcomes == ["response", None]
        with pytest.raises(grpc.RpcError) as caught:
            await anext(results)
        assert read_reason(read_status(caught.value)) == "DEADLINE_EXCEEDED"


async def test_a_server_at_capacity_refuses() -> None:
    """Bytes are counted as HTTP's are, and freed with the call."""
    limits = replace(LIMITS, max_queue_bytes=200)
    async with open_channel(FakeBackend(), limits) as (channel, predictor):
        with pytest.raises(grpc.RpcError) as caught:
            await ClassifierStub(channel).Predict(PredictRequest(image=bytes(300)))
        assert read_reason(read_status(caught.value)) == "OVERLOADED"
        assert predictor.admission.bytes == 0
