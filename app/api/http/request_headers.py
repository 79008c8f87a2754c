"""What a request's headers say of it: its deadline, its id, the length of its body."""

import asyncio
import math
import uuid
from collections.abc import Mapping

from starlette.datastructures import Headers

from app.errors import InvalidRequestError
from app.observability.access_log import is_safe_id
from app.observability.call_recorder import NO_CARRIER

REQUEST_ID = "X-Request-ID"

TIMEOUT = "X-Request-Timeout-Seconds"
MOVED_TIMEOUT = "X-Vitrine-Timeout-Seconds"
"""The same behind Serve, which would answer 408 in plain text when that time is up."""

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
"""W3C Trace Context."""

MAX_LENGTH_DIGITS = 20
"""Digits of a Content-Length that are read, more than any limit has; `int` refuses 5000."""


def choose_deadline(headers: Mapping[str, str], limit_s: float) -> float:
    """Choose a request's deadline: the service's limit, or the client's where it is shorter.

    Returns a time of the event loop.

    Raises:
        InvalidRequestError: the client's own limit is no number above 0.
    """
    wanted = headers.get(TIMEOUT) or headers.get(MOVED_TIMEOUT)
    try:
        wanted_s = math.inf if wanted is None else float(wanted)
    except ValueError:
        wanted_s = math.nan
    if not wanted_s > 0:
        message = f"header {TIMEOUT}: must be a number of seconds above 0."
        raise InvalidRequestError(message)
    return asyncio.get_running_loop().time() + min(wanted_s, limit_s)


def choose_id(headers: Mapping[str, str], *, is_echoed: bool) -> str:
    """Keep the client's id where it is short and plain, or where the server echoes it anyway."""
    wanted = headers.get(REQUEST_ID, "")
    return wanted if is_echoed or is_safe_id(wanted) else uuid.uuid4().hex


def read_length(headers: Mapping[str, str]) -> int:
    """Read how many bytes of a body are announced; 0 when none are."""
    announced = headers.get("content-length", "")
    if not announced.isdecimal():
        return 0
    return int(announced.lstrip("0")[:MAX_LENGTH_DIGITS] or "0")


def read_trace(headers: Headers) -> Mapping[str, str]:
    """Read which span the client made the request in; nothing where it names several."""
    given = headers.getlist(TRACEPARENT)
    if len(given) != 1:
        return NO_CARRIER
    return {TRACEPARENT: given[0], TRACESTATE: ",".join(headers.getlist(TRACESTATE))}
