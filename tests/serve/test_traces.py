"""Traces of a service on Ray, by the standard variables in its environment, over gRPC and HTTP."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from schemas.rpc.classifier_pb2 import PredictRequest
from schemas.rpc.classifier_pb2_grpc import ClassifierStub
from tests.support.grpc_calls import open_channel
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan, receive_spans
from tests.support.ports import find_port
from tests.support.service import SEVEN, Service, start_service

ONE_BATCH = 16
TRIES = 20
STAGES = {"receive", "read", "wait", "batch", "inference", "answer"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """A receiver that the variables name, in this process."""
    port = find_port()
    with receive_spans(port) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        patch.setenv("OTEL_SERVICE_NAME", "my-vitrine")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, receiver: OtlpReceiver) -> Iterator[Service]:
    """A service that traces to it, whose lines all have stages; it stops as it must."""
    del receiver  # it is there
    folder = tmp_path_factory.mktemp("traced")
    with start_service(folder, grpc_port=str(find_port()), slow_s="0") as running:
        running.wait_until_ready()
        yield running
        running.assert_stops()


def predict(service: Service, traceparent: str) -> int:
    """Classify an image in a client's trace."""
    files, headers = {"file": SEVEN.read_bytes()}, {"traceparent": traceparent}
    return httpx.post(
        f"{service.url}/predict", files=files, headers=headers, timeout=30
    ).status_code


def name_traces(count: int) -> list[str]:
    """Name as many traces."""
    return [uuid.uuid4().hex for _ in range(count)]


def find_inference(receiver: OtlpReceiver, trace_id: str) -> ReceivedSpan:
    """Find the span of a request's inference."""
    spans = receiver.wait_for_call(trace_id)
    (found,) = [one for one in spans if one.name == "inference"]
    return found


def test_requests_and_their_batch_link_to_each_other(
    service: Service, receiver: OtlpReceiver
) -> None:
    """The batch's span, made in the classifier's process, has as many parents as requests."""
    for _ in range(TRIES):  # how many share a batch depends on the machine
        traces = name_traces(ONE_BATCH)
        parents = [f"00-{trace}-00f067aa0ba902b7-01" for trace in traces]
        with ThreadPoolExecutor(ONE_BATCH) as pool:
            assert set(pool.map(lambda one: predict(service, one), parents)) == {200}
        inferences = {trace: find_inference(receiver, trace) for trace in traces}
        linked = {link for one in inferences.values() for link in one.links}
        receiver.wait_for(lambda spans: linked <= {one.span.span_id for one in spans})  # noqa: B023
        batches = [one for one in receiver.spans if one.span.span_id in linked]
        assert all(len(one.links) == 1 for one in inferences.values())
        assert {one.scope for one in batches} == {"vitrine.classifier"}
        assert sum(len(one.links) for one in batches) == ONE_BATCH
        for batch in batches:
            sharing = [one for one in inferences.values() if batch.span.span_id in one.links]
            assert batch.links == {find_root(receiver, one) for one in sharing}
            assert batch.attributes["vitrine.batch.images"] == len(sharing)
        if len(batches) < ONE_BATCH:
            return
    pytest.fail(f"no two requests shared a batch in {TRIES} tries")


def find_root(receiver: OtlpReceiver, stage: ReceivedSpan) -> bytes:
    """Find the id of the span of a request, by one of its stages."""
    (root,) = [one for one in receiver.find_trace(stage.trace_id) if one.name == "POST /predict"]
    return root.span.span_id


def test_a_grpc_call_is_part_of_its_clients_trace(service: Service, receiver: OtlpReceiver) -> None:
    """Metadata names it as headers do."""
    (trace,) = name_traces(1)
    metadata = [("traceparent", f"00-{trace}-00f067aa0ba902b7-01")]
    with open_channel(service) as channel:
        request = PredictRequest(image=SEVEN.read_bytes())
        ClassifierStub(channel).Predict(request, timeout=30, metadata=metadata)
    spans = receiver.wait_for_call(trace)
    assert {one.name for one in spans} == STAGES | {"gRPC /vitrine.v1.Classifier/Predict"}
    assert {one.service for one in spans} == {"my-vitrine"}
    (call,) = [one for one in spans if one.name not in STAGES]
    assert call.attributes["rpc.response.status_code"] == "OK"


def test_a_slow_line_has_the_stages_and_the_ids(service: Service, receiver: OtlpReceiver) -> None:
    """The stages add up to the whole, and the ids are those of the request's span."""
    (trace,) = name_traces(1)
    predict(service, f"00-{trace}-00f067aa0ba902b7-01")
    log = service.wait_for_log(trace)
    (line,) = [json.loads(line) for line in log.splitlines() if trace in line]
    assert set(line["slow"]) == {f"{name}_ms" for name in STAGES}
    assert abs(sum(line["slow"].values()) - line["duration_ms"]) < 1
    roots = [one for one in receiver.wait_for_call(trace) if one.name == "POST /predict"]
    assert [one.span.span_id.hex() for one in roots] == [line["span_id"]]
