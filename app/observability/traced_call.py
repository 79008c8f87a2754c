"""The spans of one call: its own, and one for each stage, which are written when it has ended.

So a call that is not sampled costs one span that records nothing, and times that are kept anyway.
"""

import time
from collections.abc import Mapping, Sequence

from opentelemetry.trace import (
    Link,
    Span,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from app.observability.call_record import CallOutcome, CallRecord, list_call_stages
from app.observability.stages import INFERENCE, ImageStages, Stage, list_stages
from app.observability.trace_context import format_traceparent, make_links

HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
RPC_SYSTEMS = {"gRPC": "grpc", "CALL": "ray_serve"}
"""Names of the other APIs as attributes have them."""

FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Statuses of gRPC that are the server's fault."""

FIRST_FAULT = 500
"""The first status of HTTP that is the server's fault."""


class TracedCall:
    """The span of a call.

    Args:
        tracer: makes the spans of its stages.
        span: the call's own.

    Attributes:
        traceparent: names it; empty where it is not sampled.
    """

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._context = span.get_span_context()
        self._epoch = find_epoch()
        self.traceparent = format_traceparent(self._context)

    @property
    def trace_id(self) -> str:
        """The id of its trace, 32 hexadecimal digits."""
        return format_trace_id(self._context.trace_id)

    @property
    def span_id(self) -> str:
        """Its own id, 16 of them."""
        return format_span_id(self._context.span_id)

    def end(self, record: CallRecord, outcome: CallOutcome, ended: float) -> None:
        """End it, with a span for each stage; `ended` is by `perf_counter`."""
        if not self.traceparent:
            return
        self._span.update_name(f"{_name_method(outcome.method)} {outcome.route}")
        self._span.set_attributes(_describe_outcome(outcome) | {"vitrine.images": record.count})
        if _is_fault(outcome.status):
            self._span.set_status(StatusCode.ERROR)
        for stage in list_call_stages(record, ended):
            self._write(stage, self._span)
        for index, image in enumerate(record.images):
            self._write_image(image, ended, None if record.count == 1 else index)
        self._span.end(self._epoch + int(ended * 1e9))

    def _write_image(self, image: ImageStages, ended: float, index: int | None) -> None:
        """Write the spans of an image; below one of its own where there are several."""
        stages, parent = list_stages(image, ended), self._span
        if index is not None:
            whole = Stage("image", stages[0].began, stages[-1].ended)
            parent = self._write(whole, parent, attributes={"vitrine.image.index": index})
        for stage in stages:
            links = make_links(image.batch) if stage.name == INFERENCE and image.batch else ()
            self._write(stage, parent, links)

    def _write(
        self,
        stage: Stage,
        parent: Span,
        links: Sequence[Link] = (),
        attributes: Mapping[str, int] | None = None,
    ) -> Span:
        """Write the span of a stage."""
        span = self._tracer.start_span(
            stage.name,
            set_span_in_context(parent),
            attributes=attributes,
            links=links,
            start_time=self._epoch + int(stage.began * 1e9),
        )
        span.end(self._epoch + int(stage.ended * 1e9))
        return span


def find_epoch() -> int:
    """Find the time of day, in nanoseconds, at which `perf_counter` is 0."""
    return time.time_ns() - time.perf_counter_ns()


def _name_method(method: str) -> str:
    """Name a method: HTTP's own alone, for a client may send any word."""
    return method if method in HTTP_METHODS or method in RPC_SYSTEMS else "_OTHER"


def _describe_outcome(outcome: CallOutcome) -> dict[str, str | int]:
    """Describe a call by the attributes that OpenTelemetry has for it."""
    described: dict[str, str | int] = {}
    if outcome.problem:
        described["error.type"] = outcome.problem
    if outcome.method in RPC_SYSTEMS:
        described["rpc.system"] = RPC_SYSTEMS[outcome.method]
        described["rpc.method"] = outcome.route.removeprefix("/")
        described["rpc.response.status_code"] = str(outcome.status)
    else:
        described["http.request.method"] = _name_method(outcome.method)
        described["http.route"] = outcome.route
        described["http.response.status_code"] = outcome.status
    return described


def _is_fault(status: int | str) -> bool:
    """Tell whether a status is the server's fault."""
    return status in FAULTS if isinstance(status, str) else status >= FIRST_FAULT
