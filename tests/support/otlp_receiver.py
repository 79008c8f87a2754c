"""A receiver of spans over gRPC: OpenTelemetry's generated service, which keeps what comes."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class ReceivedSpan:
    """One span.

    Attributes:
        span: as it came.
        service: `service.name` of its resource.
        scope: name of what wrote it.
        instance: `service.instance.id` of its resource, one for each process.
    """

    span: Span
    service: str
    scope: str
    instance: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.span.name

    @property
    def trace_id(self) -> str:
        """Its trace, as `traceparent` has it."""
        return self.span.trace_id.hex()

    @property
    def attributes(self) -> dict[str, str | int]:
        """Its attributes, all of which are text or numbers."""
        return {one.key: _read_value(one) for one in self.span.attributes}

    @property
    def links(self) -> set[bytes]:
        """Ids of the spans that it links to."""
        return {link.span_id for link in self.span.links}


@dataclass
class OtlpReceiver(TraceServiceServicer):
    """Keeps the spans that come.

    Attributes:
        spans: all of them.
        requests: the bytes of each message, for what must be in none of them.
        delay_s: seconds that it takes for each.
    """

    spans: list[ReceivedSpan] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    delay_s: float = 0.0

    def Export(  # noqa: N802 - OpenTelemetry's name
        self, request: ExportTraceServiceRequest, _context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Take a message."""
        time.sleep(self.delay_s)
        self.requests.append(request.SerializeToString())
        for resource in request.resource_spans:
            names = {one.key: str(_read_value(one)) for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    ReceivedSpan(
                        span, names["service.name"], scope.scope.name, names["service.instance.id"]
                    )
                    for span in scope.spans
                ]
        return ExportTraceServiceResponse()

    def find_trace(self, trace_id: str) -> list[ReceivedSpan]:
        """Find what has come of a trace, in order of time."""
        found = [one for one in self.spans if one.trace_id == trace_id]
        return sorted(found, key=order_by_time)

    def wait_for(
        self, fits: Callable[[list[ReceivedSpan]], bool], timeout_s: float = 15
    ) -> list[ReceivedSpan]:
        """Wait until the spans that have come are as wanted."""
        deadline = time.monotonic() + timeout_s
        while not fits(self.spans):
            assert time.monotonic() < deadline, [one.name for one in self.spans]
            time.sleep(0.05)
        return self.spans

    def wait_for_call(self, trace_id: str, count: int = 1) -> list[ReceivedSpan]:
        """Wait for the spans of calls to Vitrine, which come with their stages; find all."""
        self.wait_for(lambda _: sum(map(is_call, self.find_trace(trace_id))) >= count)
        return self.find_trace(trace_id)


def is_call(one: ReceivedSpan) -> bool:
    """Tell whether a span is that of a call to Vitrine."""
    return one.scope == "vitrine.ingress" and one.span.kind == Span.SPAN_KIND_SERVER


def order_by_time(one: ReceivedSpan) -> tuple[int, int]:
    """Order spans by their begin and end."""
    return one.span.start_time_unix_nano, one.span.end_time_unix_nano


@contextmanager
def receive_spans(port: int, host: str = "127.0.0.1") -> Iterator[OtlpReceiver]:
    """Receive spans on a port."""
    receiver = OtlpReceiver()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(receiver, server)
    server.add_insecure_port(f"{host}:{port}")
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None)


def _read_value(one: KeyValue) -> str | int:
    """Read the value of an attribute."""
    kind = one.value.WhichOneof("value")
    value: str | int = getattr(one.value, str(kind))
    return value
