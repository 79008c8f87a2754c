"""The access log: one line per call of any API, and the error for unforeseen failures."""

import logging
import re
import time

from app.errors import InternalError
from app.observability.logs import request_id

CLIENT_DISCONNECTED = 499
"""The logged status of a request whose client disconnected before the response."""

_SAFE_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_logger = logging.getLogger("vitrine.access")


def log_access(
    method: str, path: str, status: int | str, started: float, key_name: str | None
) -> None:
    """Write a call's line.

    Args:
        method: HTTP's, or the name of another API.
        path: of the URL, or the gRPC method.
        status: HTTP's, or the name of a gRPC status.
        started: by `time.perf_counter`.
        key_name: of the call's key; None if none is required.
    """
    duration_ms = (time.perf_counter() - started) * 1000
    fields: dict[str, object] = {
        "method": method,
        "path": path,
        "status": status,
        "duration_ms": round(duration_ms, 2),
    }
    by = ""
    if key_name is not None:
        fields["key_name"] = key_name
        by = f" by {key_name}"
    if _logger.isEnabledFor(logging.INFO):
        text = f"{method} {path} {status} {duration_ms:.1f} ms{by}"
        # Not by `info`, which looks for the line of code that logs: half of the cost of a line.
        record = logging.LogRecord(_logger.name, logging.INFO, __file__, 0, text, None, None)
        record.fields = fields
        _logger.handle(record)


def is_safe_id(identifier: str) -> bool:
    """Tell whether an id that a client chose is short and harmless."""
    return _SAFE_ID.fullmatch(identifier) is not None


def build_internal_error() -> InternalError:
    """Build the error for an unforeseen failure: it quotes the request id and no details."""
    return InternalError(f"Something went wrong here. Quote request {request_id.get()}.")
