"""The apps in this process, traced to a receiver, over a classifier without a model."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from app.api.services import Services, build_services
from app.observability.call_recorder import CallRecorder
from app.observability.spans import Tracing
from app.observability.tracing import start_tracing
from app.prediction.predictor import Predictor
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan, order_by_time, receive_spans
from tests.support.ports import find_port

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
"""A client's span, as the example of W3C Trace Context has it."""

NAMED = "0af7651916cd43dd8448eb211c80319c"
CARRIER = {"traceparent": f"00-{NAMED}-b7ad6b7169203331-01"}
"""The trace of another caller, as `opentelemetry.propagate.inject` writes it."""


@dataclass(frozen=True)
class Traced:
    """What is traced, and what has come of it.

    Attributes:
        services: answer calls, and record them.
        backend: keeps the groups that it was sent.
        tracing: writes the spans.
        receiver: gets them.
    """

    services: Services
    backend: FakeBackend
    tracing: Tracing
    receiver: OtlpReceiver

    def collect(self) -> list[ReceivedSpan]:
        """Collect all spans, in order of time; nothing can be traced afterwards."""
        self.tracing.close()
        return sorted(self.receiver.spans, key=order_by_time)


@contextmanager
def trace_apps(**variables: str) -> Iterator[Traced]:
    """Trace all calls but those that variables of OpenTelemetry exclude."""
    port, before = find_port(), dict(os.environ)
    os.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"} | variables
    backend = FakeBackend()
    try:
        tracing = start_tracing("ingress")
    finally:
        os.environ.clear()
        os.environ |= before
    assert tracing is not None
    services = build_services(Predictor(backend, LIMITS))
    services = replace(services, recorder=CallRecorder(tracing=tracing))
    with receive_spans(port) as receiver:
        yield Traced(services, backend, tracing, receiver)
        tracing.close()
