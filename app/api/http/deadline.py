"""The deadline of a request: the service's time limit, or the client's where it is shorter."""

import asyncio
import math
from collections.abc import Mapping

from app.errors import InvalidRequestError

TIMEOUT = "X-Request-Timeout-Seconds"
MOVED_TIMEOUT = "X-Vitrine-Timeout-Seconds"
"""The same behind Serve, which would answer 408 in plain text when that time is up."""


def choose_deadline(headers: Mapping[str, str], limit_s: float) -> float:
    """Choose a request's deadline, a time of the event loop.

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
