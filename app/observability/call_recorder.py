"""Records calls of every API: when one ends it is counted, logged, and its spans are written."""

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.observability.access_log import is_safe_id, log_access
from app.observability.call_record import CallOutcome, CallRecord
from app.observability.histogram import NO_LABELS
from app.observability.logs import request_id
from app.observability.request_metrics import PROBES, count_request

if TYPE_CHECKING:
    from app.observability.spans import Tracing

NO_CARRIER: Mapping[str, str] = {}


class CallRecorder:
    """Records calls.

    Args:
        slow_s: seconds from which on the line of a call has its stages.
        tracing: None where nothing is traced.
    """

    def __init__(self, slow_s: float = math.inf, tracing: "Tracing | None" = None) -> None:
        self._slow_s = slow_s
        self._tracing = tracing

    def begin(self, route: str, carrier: Mapping[str, str] = NO_CARRIER) -> CallRecord:
        """Begin a call; health probes and scrapes are not traced.

        Args:
            route: path of the API, or full name of the method.
            carrier: `traceparent` and `tracestate`, where its caller has sent them.
        """
        if self._tracing is None or route in PROBES:
            return CallRecord()
        return CallRecord(self._tracing.begin_call(route, carrier))

    def end(self, call: CallRecord, outcome: CallOutcome) -> None:
        """End a call."""
        ended = time.perf_counter()
        seconds = ended - call.started
        span = call.span
        sampled = span.trace_id if span is not None and span.traceparent else ""
        identifier = request_id.get()
        name = {"request_id": identifier} if is_safe_id(identifier) else NO_LABELS
        if sampled:
            name = {"trace_id": sampled}
        count_request(outcome.route, outcome.status, outcome.problem, seconds, name)
        log_access(call, outcome, ended, is_slow=seconds >= self._slow_s)
        if call.span is not None:
            call.span.end(call, outcome, ended)
