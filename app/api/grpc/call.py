"""One gRPC call: its id, its status and its line in the log."""

import time
import uuid
from collections.abc import Iterable
from typing import Protocol

import grpc

from app.api.grpc.status import build_status, find_code
from app.errors import ProblemError
from app.observability.access_log import is_safe_id, log_access
from app.observability.request_metrics import count_request

REQUEST_ID = "request_id"
"""Metadata by which a client names its call. Serve knows it, and answers it or an id of its own."""

DETAILS = "grpc-status-details-bin"
METHOD = "gRPC"

Metadata = list[tuple[str, str | bytes]]


class Context(Protocol):
    """The context of a call: Serve's, or that of a gRPC server of our own."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]]:
        """List what the client sent beside the message."""
        ...

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]]:
        """List what will be sent behind the answer."""
        ...

    def set_code(self, code: grpc.StatusCode) -> None:
        """Set the status."""
        ...

    def set_details(self, details: str) -> None:
        """Set its message."""
        ...

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        """Set what is sent behind the answer."""
        ...


class Call:
    """One call, and its status.

    Args:
        path: its full name.
        context: what is known of it.

    Attributes:
        id: the call's, for the log.
        headers: text of its metadata, by name in small letters.
        status: name of its gRPC status.
        key_name: the name of the key that it brought; None where none is needed.
    """

    def __init__(self, path: str, context: Context) -> None:
        self.headers = _read_text(context.invocation_metadata())
        self.id = _choose_id(self.headers | _read_text(context.trailing_metadata()))
        self.status = "OK"
        self.key_name: str | None = None
        self._problem = ""
        self._path = path
        self._context = context
        self._started = time.perf_counter()

    def refuse(self, error: ProblemError) -> None:
        """Give the call its status."""
        code = find_code(error)
        self.status = code.name
        self._problem = error.type
        self._context.set_code(code)
        self._context.set_details(str(error))
        self._context.set_trailing_metadata([(DETAILS, build_status(error).SerializeToString())])

    def close(self) -> None:
        """Count the call, and write its line in the log."""
        seconds = time.perf_counter() - self._started
        count_request(self._path, self.status, self._problem, seconds)
        log_access(METHOD, self._path, self.status, self._started, self.key_name)


def _read_text(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """Read the text of metadata, by name."""
    return {name: text for name, text in metadata if isinstance(text, str)}


def _choose_id(metadata: dict[str, str]) -> str:
    """Keep the client's id, or Serve's, where it is short and plain."""
    wanted = metadata.get(REQUEST_ID, "")
    return wanted if is_safe_id(wanted) else uuid.uuid4().hex
