"""W3C Trace Context: what a caller says of its trace, and how our own spans name each other."""

from collections.abc import Mapping

from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    Link,
    SpanContext,
    format_span_id,
    format_trace_id,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

MAX_TRACESTATE = 512
"""Characters of a caller's tracestate that are handed on, with every span; a longer one is not."""

_PROPAGATOR = TraceContextTextMapPropagator()
_NO_PARENT = Context()


def read_parent(carrier: Mapping[str, str]) -> Context:
    """Read the span that a call was made in; none where it is malformed.

    Where Ray Serve traces too, its own span of the call is the current one. That is the parent,
    unless it knows nothing of the caller's trace.
    """
    parent = _extract(carrier) if carrier.get("traceparent") else _NO_PARENT
    current, given = get_current_span().get_span_context(), get_current_span(parent)
    trace_id = given.get_span_context().trace_id
    return get_current() if current.is_valid and trace_id in {0, current.trace_id} else parent


def _extract(carrier: Mapping[str, str]) -> Context:
    """Read the span that a carrier names."""
    if len(carrier.get("tracestate", "")) > MAX_TRACESTATE:
        carrier = {"traceparent": carrier["traceparent"]}
    return _PROPAGATOR.extract(carrier, _NO_PARENT)


def format_traceparent(span: SpanContext) -> str:
    """Name a span; empty where it is not sampled."""
    if not span.trace_flags.sampled:
        return ""
    return f"00-{format_trace_id(span.trace_id)}-{format_span_id(span.span_id)}-01"


def make_links(*traceparents: str) -> list[Link]:
    """Make links to spans that we have named."""
    parents = (_PROPAGATOR.extract({"traceparent": name}, _NO_PARENT) for name in traceparents)
    spans = (get_current_span(parent).get_span_context() for parent in parents)
    return [Link(span) for span in spans if span.is_valid]
