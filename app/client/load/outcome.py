"""What came of a request, in the words of a report: a status and its problem, or why not."""

import ssl

NO_CONNECTION, CUT_OFF, TIMED_OUT = "no connection", "cut off", "no answer in time"
NOT_SENT = "not sent"
"""Because too many requests were waiting in this client."""


def name_error(error: OSError) -> str:
    """Name what came in place of an answer."""
    if isinstance(error, TimeoutError):
        return TIMED_OUT
    refused = isinstance(error, ConnectionRefusedError | ssl.SSLError)
    return NO_CONNECTION if refused else CUT_OFF
