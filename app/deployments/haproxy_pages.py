"""The errors that HAProxy sends itself: problems of the error table, in files for haproxy.cfg."""

import json
from http import HTTPStatus
from pathlib import Path

from app.errors import (
    DeadlineExceededError,
    ModelUnavailableError,
    OverloadedError,
    ProblemError,
)

OVERLOADED = OverloadedError("Too many images are waiting already; try again in a moment.")
UNAVAILABLE = ModelUnavailableError("No replica could be reached; try again in a moment.")
LATE = DeadlineExceededError("The request did not come in time.")


def write_pages(folder: Path) -> None:
    """Write the error pages, and the body of a refusal, into the folder of HAProxy's file."""
    (folder / "unavailable.http").write_text(_format_page(UNAVAILABLE), newline="")
    (folder / "late.http").write_text(_format_page(LATE), newline="")
    (folder / "overloaded.json").write_text(_format_problem(OVERLOADED))


def _format_problem(error: ProblemError) -> str:
    """Format a problem as JSON (RFC 9457)."""
    return json.dumps(error.describe("proxy"))


def _format_page(error: ProblemError) -> str:
    """Format a problem as an error page of HAProxy: a whole HTTP response."""
    body = _format_problem(error)
    retry = [] if error.retry_after_s is None else [f"Retry-After: {error.retry_after_s}"]
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        *retry,
        "Connection: close",
    )
    return "\r\n".join((*head, "", body))
