"""What HAProxy refuses in place of the replicas: its lines, read, counted and logged.

A line has the backend, the status, the session's state at its end (HAProxy's manual, 8.5), the
method and the path; haproxy.cfg writes one for each request that no replica has answered.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from app.deployments.haproxy_pages import LATE, OVERLOADED, UNAVAILABLE
from app.errors import ProblemError

MAX_LOGGED_PATH = 1000
"""Characters of a path that are logged."""

_MALFORMED = "<BADREQ>"
"""What HAProxy writes instead of a path that it could not read."""

_PAGES: dict[int, ProblemError] = {408: LATE, 502: UNAVAILABLE, 503: UNAVAILABLE, 504: UNAVAILABLE}
"""What it answers by the error files that haproxy.cfg names."""

_RULES: dict[tuple[str, int], ProblemError] = {
    ("http-vitrine", 503): OVERLOADED,
    ("grpc-vitrine", 200): OVERLOADED,
}
"""What it answers by rules of haproxy.cfg, by backend and HTTP status."""

PROBES = frozenset(
    {
        "/health",
        "/livez",
        "/readyz",
        "/v2/health/live",
        "/v2/health/ready",
        "/grpc.health.v1.Health/Check",
    }
)
"""Paths that are asked for all the time, by `vitrine serve` too, while no replica is there yet."""

_logger = logging.getLogger("vitrine.access")


class Refusal(NamedTuple):
    """A request that HAProxy has refused.

    Attributes:
        method: HTTP's, or `gRPC`; `-` where HAProxy could not read the request.
        path: without the query, percent-encoded; `-` as the method.
        status: HTTP's, or the name of gRPC's, as its client got it.
        problem: the type of its problem; empty for a page of HAProxy or Serve.
    """

    method: str
    path: str
    status: int | str
    problem: str


class RefusalCount:
    """Counts refusals by status and problem, each with its first one as an example."""

    def __init__(self) -> None:
        self._examples: dict[tuple[int | str, str], Refusal] = {}
        self._counts: Counter[tuple[int | str, str]] = Counter()

    def add(self, lines: Iterable[bytes]) -> None:
        """Count lines of HAProxy; equal ones are read once."""
        for line, count in Counter(lines).items():
            if refusal := read_refusal(line):
                kind = refusal.status, refusal.problem
                self._examples.setdefault(kind, refusal)
                self._counts[kind] += count

    def log(self) -> None:
        """Write one line for each kind."""
        for kind, example in self._examples.items():
            _log(example, self._counts[kind])


def read_refusal(line: bytes) -> Refusal | None:
    """Read a line of HAProxy; None where it is no refusal, but a probe, or its client has left."""
    try:
        backend, code, state, method, path = line.decode("ascii", "replace").split(" ")
        status = int(code)
    except ValueError:  # another message, or a line that was cut
        return None
    if state.startswith("C") or path in PROBES:
        return None
    if path == _MALFORMED:
        return Refusal("-", "-", status, "")
    is_grpc, is_rule = backend.startswith("grpc"), state.startswith(("L", "P"))
    error = _RULES.get((backend, status)) if is_rule else _PAGES.get(status)
    method, path = "gRPC" if is_grpc else method, _clean_path(path)
    if error:
        return Refusal(method, path, error.grpc_code if is_grpc else error.status, error.type)
    return Refusal(method, path, status, "") if status >= HTTPStatus.BAD_REQUEST else None


def _clean_path(path: str) -> str:
    """Encode a path as those are that replicas answer, whatever is in it."""
    return quote(unquote_to_bytes(path))[:MAX_LOGGED_PATH]


def _log(example: Refusal, count: int) -> None:
    """Write the line of one kind, with the fields of an access line."""
    fields = {
        "method": example.method,
        "path": example.path,
        "status": example.status,
        "problem": example.problem,
        "count": count,
    }
    kept = {name: value for name, value in fields.items() if value != ""}
    reason = example.problem or "refused"
    text = f"{example.method} {example.path} {example.status} {reason} at HAProxy, {count} times"
    _logger.info("%s", text, extra={"fields": kept})
