"""What is said of a call by whatever door it came: its line in the log, and the last word to it."""

import logging
import re
import time

from app.errors import InternalError
from app.observability.logs import request_id

CLIENT_GONE = 499
"""What is logged for a request whose client went away before it was answered."""

_SAFE_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_logger = logging.getLogger("vitrine.access")


def log_access(
    method: str, path: str, status: int | str, started: float, key_name: str | None
) -> None:
    """Write a call's line.

    Args:
        method: of HTTP, or the name of another way in.
        path: what was asked, in one line.
        status: of HTTP, or the name of a gRPC status.
        started: when, by `time.perf_counter`.
        key_name: the name of the key that it brought; None where none is needed.
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
    extra = {"fields": fields}
    _logger.info("%s %s %s %.1f ms%s", method, path, status, duration_ms, by, extra=extra)


def is_safe_id(identifier: str) -> bool:
    """Tell whether an id that a client chose is short and plain."""
    return _SAFE_ID.fullmatch(identifier) is not None


def build_internal_error() -> InternalError:
    """Build the error for anything unforeseen: an id to quote, no inner detail."""
    return InternalError(f"Something went wrong here. Quote request {request_id.get()}.")
