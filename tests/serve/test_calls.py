"""Calls by a Serve handle, from the example of the docs and from beside it."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.otlp_receiver import OtlpReceiver, receive_spans
from tests.support.ports import find_port
from tests.support.service import (
    ROOT,
    SEVEN,
    START_S,
    Service,
    make_environment,
    start_process,
)
from tests.support.tracing import NAMED, SAMPLED, TRACE

EXAMPLE = ROOT / "docs" / "examples" / "albums.py"
CALLER = ROOT / "tests" / "support" / "handle_caller.py"
THREE = SEVEN.with_name("3-0.png")
RECEIVER = find_port()
TRACES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{RECEIVER}",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH": "app.observability.spans:make_span_processors",
    "RAY_SERVE_TRACING_SAMPLING_RATIO": "1",
}
"""Serve's own tracing is on, too."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """A receiver of spans."""
    with receive_spans(RECEIVER) as running:
        yield running


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, receiver: OtlpReceiver) -> Iterator[Service]:
    """The example, as it is, and a thread beside it that calls; Vitrine and Serve are traced."""
    del receiver  # it is there
    folder, port = tmp_path_factory.mktemp("example"), find_port()
    command = [sys.executable, str(CALLER), str(EXAMPLE), str(SEVEN)]
    environment = make_environment(device="cpu", port=str(port)) | TRACES
    environment["PYTHONPATH"] = str(ROOT)
    with start_process(folder, command, port, environment) as running:
        running.wait_until_ready()
        yield running
        running.stop(signal.SIGINT)
        running.assert_ended()


@pytest.fixture(scope="module")
def told(example: Service) -> Any:  # noqa: ANN401 - JSON
    """What the calls gave, by transport."""
    deadline = time.monotonic() + START_S
    while not (text := example.output.read_text()).endswith("\n"):
        assert time.monotonic() < deadline, example.read_log()
        time.sleep(0.1)
    return json.loads(text)


@pytest.fixture(scope="module")
def expected(example: Service) -> Any:  # noqa: ANN401 - JSON
    """What HTTP answers to the same image and options."""
    query = "top_k=2&scores=all&logits=true"
    files = {"file": SEVEN.read_bytes()}
    return httpx.post(f"{example.url}/predict?{query}", files=files, timeout=30).json()


@pytest.mark.parametrize("transport", ["actor", "grpc"])
def test_every_way_to_give_an_image_answers_as_http_does(
    told: Any,  # noqa: ANN401
    expected: Any,  # noqa: ANN401
    transport: str,
) -> None:
    """Bytes, a Pillow image and arrays; but for the format, which an array does not have."""
    answers = told[transport]["answers"]
    kinds = [answer["image"].pop("format") for answer in answers]
    assert kinds == ["PNG", "BMP", "BMP", "BMP"]
    image = {"width": 64, "height": 64}
    assert answers == [{**expected, "image": image}] * 4


@pytest.mark.parametrize("transport", ["actor", "grpc"])
def test_pixels_get_the_logits_of_http(
    told: Any,  # noqa: ANN401
    expected: Any,  # noqa: ANN401
    transport: str,
) -> None:
    """Exactly, for each of them."""
    assert told[transport]["logits"] == ["float32", [expected["logits"]] * 2]


@pytest.mark.parametrize("transport", ["actor", "grpc"])
def test_an_error_reaches_the_caller_as_one_of_ours(told: Any, transport: str) -> None:  # noqa: ANN401
    """With its status, type and words, whatever carried it."""
    media, option, pixels = told[transport]["problems"]
    assert media[:2] == [415, "unsupported-media-type"]
    assert media[2].startswith("The content looks like application/pdf;")
    assert option == [422, "invalid-request", "topk: Extra inputs are not permitted"]
    assert pixels[:2] == [422, "invalid-request"]
    assert pixels[2].endswith("these are uint8 [32, 32, 3].")


def test_the_example_sorts_images(example: Service) -> None:
    """By label; what is no image comes to an album of its own."""
    names = ["one.png", "two.png", "three.png", "four.txt"]
    contents = [SEVEN.read_bytes(), THREE.read_bytes(), SEVEN.read_bytes(), b"hello"]
    files = [("files", file) for file in zip(names, contents, strict=True)]
    headers = {"X-Request-ID": "from-albums"}
    response = httpx.post(f"{example.url}/albums/", files=files, headers=headers, timeout=30)
    albums = {"7": ["one.png", "three.png"], "3": ["two.png"]}
    assert response.json() == albums | {"Unsupported media type": ["four.txt"]}
    line = '"request_id": "from-albums", "method": "CALL", "path": "classify", "status": '
    for status in (200, 415):
        example.wait_for_log(f"{line}{status}", timeout_s=10)  # Ray brings it from the replica


def test_calls_are_part_of_their_callers_trace(example: Service, receiver: OtlpReceiver) -> None:
    """Serve carries it from the caller to Vitrine, and spans of both are sent to one place."""
    files = {"files": ("one.png", SEVEN.read_bytes())}
    httpx.post(f"{example.url}/albums/", files=files, headers={"traceparent": SAMPLED}, timeout=30)
    handled = ("replica_handle_request Ingress classify", "replica_handle_request Albums")

    def has_come(name: str) -> bool:
        return any(one.name.startswith(name) for one in receiver.find_trace(TRACE))

    receiver.wait_for_call(TRACE)
    receiver.wait_for(lambda _: all(map(has_come, handled)))
    spans = {one.span.span_id: one for one in receiver.find_trace(TRACE)}
    (call,) = [one for one in spans.values() if one.name == "CALL classify"]
    assert spans[call.span.parent_span_id].name == handled[0]


def test_a_caller_may_name_its_span(
    told: Any,  # noqa: ANN401 - JSON
    receiver: OtlpReceiver,
) -> None:
    """Where Serve does not carry it, as of a caller that is no replica; batches are linked."""
    assert told
    spans = receiver.wait_for_call(NAMED, count=2)
    assert {one.name for one in spans} >= {"CALL classify", "CALL logits"}
    batches = {one.span.span_id for one in receiver.spans if one.name == "model batch"}
    links = [one.links for one in spans if one.name == "inference"]
    assert links
    assert batches.issuperset(set().union(*links))
