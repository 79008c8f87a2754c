"""The spans of HTTP requests, as a receiver of OpenTelemetry's gets them."""

import asyncio
from contextlib import suppress

import httpx
import pytest
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from app.api.http.problems import MEDIA_TYPE
from tests.support.http_app import open_services
from tests.support.log_lines import collect_lines
from tests.support.otlp_receiver import ReceivedSpan
from tests.support.ports import find_port
from tests.support.tracing import PARENT, SAMPLED, TRACE, Traced, trace_apps
from tests.support.uploads import encode_grey

STAGES = ["receive", "read", "wait", "batch", "inference", "answer"]
FILE = ("secret-holiday.png", encode_grey(), "image/png")


async def predict(traced: Traced, headers: list[tuple[str, str]] | None = None) -> httpx.Response:
    """Classify an image."""
    async with open_services(traced.services) as client:
        return await client.post("/predict", files={"file": FILE}, headers=headers)


def split(spans: list[ReceivedSpan]) -> tuple[ReceivedSpan, list[ReceivedSpan]]:
    """Split the spans of one request into its own and the others."""
    (root,) = [one for one in spans if one.name.startswith(("GET ", "POST "))]
    return root, [one for one in spans if one is not root]


async def test_a_request_has_a_span_for_each_stage() -> None:
    """Below its own, one after the other, within its time."""
    with trace_apps() as traced:
        assert (await predict(traced)).status_code == 200
        root, stages = split(traced.collect())
    assert root.name == "POST /predict"
    assert root.service == "vitrine"
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "vitrine.images": 1,
    }
    assert [one.name for one in stages] == STAGES
    assert {one.span.parent_span_id for one in stages} == {root.span.span_id}
    times = [one.span.start_time_unix_nano for one in stages]
    ends = [one.span.end_time_unix_nano for one in stages]
    assert all(abs(end - begin) < 1e5 for end, begin in zip(ends, times[1:], strict=False))
    assert ends[-1] <= root.span.end_time_unix_nano + 1e5


async def test_a_request_is_part_of_its_clients_trace() -> None:
    """`traceparent` names the parent, and `tracestate` goes with it; groups name the request."""
    with trace_apps() as traced:
        await predict(traced, [("traceparent", SAMPLED), ("tracestate", "vendor=1")])
        root, stages = split(traced.collect())
    assert (root.trace_id, root.span.parent_span_id.hex()) == (TRACE, PARENT)
    assert root.span.trace_state == "vendor=1"
    assert {one.trace_id for one in stages} == {TRACE}
    (group,) = traced.backend.groups
    assert group.traceparents == (f"00-{TRACE}-{root.span.span_id.hex()}-01",)


async def test_a_client_that_does_not_sample_is_not_traced_but_logged() -> None:
    """As the default sampler wants it; the line has the ids all the same."""
    with trace_apps() as traced, collect_lines() as lines:
        await predict(traced, [("traceparent", f"00-{TRACE}-{PARENT}-00")])
        assert traced.collect() == []
    assert [line["trace_id"] for line in lines] == [TRACE]
    assert traced.backend.groups[0].traceparents == ()


async def test_the_sampler_of_the_standard_variables_chooses() -> None:
    """None of the requests that name no parent, here."""
    with trace_apps(OTEL_TRACES_SAMPLER="always_off") as traced:
        await predict(traced)
        assert traced.collect() == []


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", "00-" + "0" * 32 + f"-{PARENT}-01")],
        [("traceparent", f"00-{TRACE}-" + "0" * 16 + "-01")],
        [("traceparent", f"ff-{TRACE}-{PARENT}-01")],
        [("traceparent", SAMPLED.upper().replace("E", "e"))],
        [("traceparent", SAMPLED + "-more")],
        [("traceparent", SAMPLED + "0" * 10_000)],
        [("traceparent", SAMPLED + "\x01")],
        [("traceparent", "' OR 1=1 --")],
        [("traceparent", "")],
        [("traceparent", SAMPLED), ("traceparent", SAMPLED)],
        [("traceparent", ",".join([SAMPLED] * 100))],
        [("tracestate", "vendor=1")],
    ],
)
async def test_a_hostile_traceparent_begins_a_trace_of_its_own(
    headers: list[tuple[str, str]],
) -> None:
    """Malformed, forged, too long or many; the request is answered."""
    with trace_apps() as traced:
        assert (await predict(traced, headers)).status_code == 200
        root, stages = split(traced.collect())
    assert root.trace_id != TRACE
    assert root.span.parent_span_id == b""
    assert root.span.trace_state == ""
    assert [one.name for one in stages] == STAGES


@pytest.mark.parametrize(
    "tracestate",
    ["a=" + "1" * 10_000, ",".join(f"v{n}=1" for n in range(2000)), "==,,=\x7f", "a=1,a=2"],
)
async def test_a_hostile_tracestate_is_dropped_and_the_trace_kept(tracestate: str) -> None:
    """It would go with every span."""
    with trace_apps() as traced:
        await predict(traced, [("traceparent", SAMPLED), ("tracestate", tracestate)])
        root, _ = split(traced.collect())
    assert root.trace_id == TRACE
    assert len(root.span.trace_state) < 10


async def test_a_problem_is_an_attribute_and_nothing_private_is_sent() -> None:
    """No bytes of the image, no file name, no key and no path that a client made up."""
    with trace_apps() as traced:
        async with open_services(traced.services) as client:
            private = {"X-API-Key": "secret-key", "X-Request-ID": "secret-id"}
            files = {"file": ("secret-file.png", b"secret-bytes", "image/png")}
            refused = await client.post("/predict?secret-query=1", files=files, headers=private)
            missing = await client.get("/secret-path", headers=private)
        spans = traced.collect()
    assert (refused.status_code, missing.status_code) == (422, 404)
    (root,) = [one for one in spans if one.name == "POST /predict"]
    assert root.attributes["error.type"] == "invalid-request"
    assert root.span.status.code == 0  # the client's fault
    (other,) = [one for one in spans if one.name == "GET other"]
    assert other.attributes["error.type"] == "not-found"
    assert traced.receiver.requests
    assert not [one for one in traced.receiver.requests if b"secret" in one]


async def test_a_fault_of_the_service_has_the_status_error() -> None:
    """A late image, whose stages show where it was."""
    with trace_apps() as traced:
        await predict(traced)
        traced.backend.hang()
        answer = await predict(traced, [("X-Request-Timeout-Seconds", "0.5")])
        assert (answer.status_code, answer.headers["content-type"]) == (504, MEDIA_TYPE)
        traced.backend.resume()
        roots = [one for one in traced.collect() if one.name == "POST /predict"]
        late = roots[-1]
        stages = [
            one.name for one in traced.collect() if one.span.parent_span_id == late.span.span_id
        ]
    assert late.attributes["error.type"] == "deadline-exceeded"
    assert late.span.status.code == 2
    assert stages == ["receive", "read", "wait", "batch"]


async def test_each_image_of_a_bulk_request_has_its_stages() -> None:
    """Below a span of the image, which has its index."""
    with trace_apps() as traced:
        async with open_services(traced.services) as client:
            files = [("files", FILE)] * 3
            assert (await client.post("/predict/batch", files=files)).status_code == 200
        root, others = split(traced.collect())
    images = {one.span.span_id: one for one in others if one.name == "image"}
    indices = [one.attributes["vitrine.image.index"] for one in images.values()]
    assert sorted(map(int, indices)) == [0, 1, 2]
    assert {one.span.parent_span_id for one in images.values()} == {root.span.span_id}
    read = [one for one in others if one.name == "read"]
    assert {one.span.parent_span_id for one in read} == set(images)
    assert root.attributes["vitrine.images"] == 3


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/metrics", "/v2/health/ready"])
async def test_probes_and_scrapes_are_not_traced(path: str) -> None:
    """They come every few seconds and tell nothing."""
    with trace_apps() as traced:
        async with open_services(traced.services) as client:
            await client.get(path, headers={"traceparent": SAMPLED})
        assert traced.collect() == []


async def wait_for_listener(port: int) -> None:
    """Wait until the receiver listens: a closing exporter does not try again."""
    async with asyncio.timeout(20):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


async def test_spans_are_sent_over_http_too() -> None:
    """To a receiver that speaks nothing else."""
    port = find_port()
    tap = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    settings = OtelTapHttpProtobufReceiverSettings(http_port=port)
    async with OtelTapHttpProtobufReceiver(settings) as receiver:
        await wait_for_listener(port)
        with trace_apps(**tap, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf") as traced:
            await predict(traced, [("traceparent", SAMPLED)])
            await asyncio.to_thread(traced.tracing.close)
        span = await receiver.await_trace(lambda one: one.name == "POST /predict", 10)
    assert span.trace_id.hex() == TRACE


@pytest.mark.parametrize("endpoint", [{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, {}])
async def test_a_collector_that_is_gone_or_slow_is_said_once_and_not_waited_for(
    endpoint: dict[str, str],
) -> None:
    """Requests are answered as before."""
    limits = {"OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2"}
    with trace_apps(**limits, **endpoint) as traced, collect_lines() as lines:
        traced.receiver.delay_s = 0.6
        for _ in range(4):
            assert (await predict(traced)).status_code == 200
            await asyncio.sleep(0.4)  # each is exported, in vain
        durations = [line["duration_ms"] for line in lines if "duration_ms" in line]
        (warning,) = [line for line in lines if line["level"] == "warning"]
    assert str(warning["message"]).startswith("the collector does not take spans")
    assert all(isinstance(one, float) and one < 600 for one in durations)
