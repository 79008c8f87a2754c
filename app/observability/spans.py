"""Spans by OpenTelemetry: of calls, with their stages, and of batches, linked with each other.

The provider is private: Ray Serve, or whoever shares the process, may set the global one.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind

from app.observability.span_exporter import WarningExporter
from app.observability.trace_context import format_traceparent, make_links, read_parent
from app.observability.traced_call import TracedCall, find_epoch
from app.observability.tracing import choose_protocol

FLUSH_S = 1.0
"""Seconds that a process gives its last spans when it ends."""


class Tracing:
    """Writes the spans of one process, where the variables of OpenTelemetry say.

    Args:
        part: what the process is; its spans have the scope `vitrine.<part>`.
        protocol: one of `tracing.MODULES`.
        samples_all: sample everything; else OTEL_TRACES_SAMPLER chooses.

    Raises:
        ValueError: a variable is no number.
    """

    def __init__(self, part: str, protocol: str, *, samples_all: bool = False) -> None:
        self._provider = TracerProvider(
            sampler=ALWAYS_ON if samples_all else None,
            resource=_describe_service(),
            shutdown_on_exit=False,  # it would wait half a minute for a collector that is gone
        )
        self._provider.add_span_processor(BatchSpanProcessor(WarningExporter(protocol)))
        self._tracer = self._provider.get_tracer(f"vitrine.{part}", version("vitrine"))

    def begin_call(self, name: str, carrier: Mapping[str, str]) -> TracedCall:
        """Begin the span of a call.

        Args:
            name: of its route.
            carrier: `traceparent` and `tracestate`, where its caller has sent them.
        """
        span = self._tracer.start_span(name, read_parent(carrier), kind=SpanKind.SERVER)
        return TracedCall(self._tracer, span)

    def write_batch(self, began: float, images: int, traceparents: Iterable[str]) -> str:
        """Write the span of a batch that has ended now.

        It is a trace of its own, because a batch has many parents and a span has one: it links to
        all of them, and they link to it.

        Args:
            began: by `perf_counter`.
            images: how many it had.
            traceparents: the calls that are traced, of all that had images in it.

        Returns:
            Its traceparent.
        """
        links = make_links(*dict.fromkeys(traceparents))
        span = self._tracer.start_span(
            "model batch", Context(), links=links, start_time=find_epoch() + int(began * 1e9)
        )
        span.set_attributes({"vitrine.batch.images": images, "vitrine.batch.calls": len(links)})
        span.end()
        return format_traceparent(span.get_span_context())

    def close(self) -> None:
        """Send what waits, and do not wait long for it."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(FLUSH_S)


def make_span_processors() -> list[SpanProcessor]:
    """Make what Ray Serve's own tracing sends its spans by, to where ours go.

    The setting of Serve's that names an exporter names this function (docs/tracing.md).
    """
    return [BatchSpanProcessor(WarningExporter(choose_protocol()))]


def _describe_service() -> Resource:
    """Describe the service: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, or `vitrine`."""
    given = Resource.create()
    is_named = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return given if is_named else given.merge(Resource({SERVICE_NAME: "vitrine"}))
