"""The access log: one line per call of any API, and the error for unforeseen failures."""

import logging
import re

from app.errors import InternalError
from app.observability.call_record import CallOutcome, CallRecord, list_call_stages
from app.observability.logs import request_id
from app.observability.stages import list_stages

CLIENT_DISCONNECTED = 499
"""The logged status of a request whose client disconnected before the response."""

_SAFE_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_logger = logging.getLogger("vitrine.access")


def log_access(call: CallRecord, outcome: CallOutcome, ended: float, *, is_slow: bool) -> None:
    """Write a call's line.

    Args:
        call: what was kept of it.
        outcome: what it came to.
        ended: by `perf_counter`.
        is_slow: tell its stages too.
    """
    if not _logger.isEnabledFor(logging.INFO):
        return
    duration_ms = (ended - call.started) * 1000
    fields: dict[str, object] = {
        "method": outcome.method,
        "path": outcome.path,
        "status": outcome.status,
        "duration_ms": round(duration_ms, 2),
    }
    text = f"{outcome.method} {outcome.path} {outcome.status} {duration_ms:.1f} ms"
    if outcome.key_name is not None:
        fields["key_name"] = outcome.key_name
        text = f"{text} by {outcome.key_name}"
    if call.span is not None:
        fields |= {"trace_id": call.span.trace_id, "span_id": call.span.span_id}
    if is_slow:
        fields["slow"] = slow = describe_slow(call, ended)
        told = (f"{name.removesuffix('_ms')} {value:g}" for name, value in slow.items())
        text = f"{text} ({', '.join(told)})"
    # Not by `info`, which looks for the line of code that logs: half of the cost of a line.
    record = logging.LogRecord(_logger.name, logging.INFO, __file__, 0, text, None, None)
    record.fields = fields
    _logger.handle(record)


def describe_slow(call: CallRecord, ended: float) -> dict[str, float]:
    """Describe where the time of a call went: milliseconds of each stage, in order.

    Of several images, the stages are those of the one that took longest.
    """
    images = [list_stages(image, ended) for image in call.images]
    slowest = max(images, key=lambda stages: stages[-1].ended - stages[0].began, default=[])
    receive, *answer = list_call_stages(call, ended)
    told: dict[str, float] = {"images": call.count} if call.count > 1 else {}
    for stage in (receive, *slowest, *answer):
        name = f"{stage.name}_ms"
        told[name] = round(told.get(name, 0) + (stage.ended - stage.began) * 1000, 2)
    return told


def is_safe_id(identifier: str) -> bool:
    """Tell whether an id that a client chose is short and harmless."""
    return _SAFE_ID.fullmatch(identifier) is not None


def build_internal_error() -> InternalError:
    """Build the error for an unforeseen failure: it quotes the request id and no details."""
    return InternalError(f"Something went wrong here. Quote request {request_id.get()}.")
