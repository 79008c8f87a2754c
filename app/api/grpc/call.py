"""One gRPC call: its id, its status and what is recorded of it."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Protocol

import grpc

from app.api.grpc.status import build_status, find_code
from app.errors import ProblemError
from app.observability.access_log import is_safe_id
from app.observability.call_record import CallOutcome
from app.observability.call_recorder import NO_CARRIER, CallRecorder

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
        recorder: records it.

    Attributes:
        id: the call's, for the log.
        headers: text of its metadata, by name in small letters.
        status: name of its gRPC status.
        key_name: the name of the key that it brought; None where none is needed.
        record: what is recorded of it.
    """

    def __init__(self, path: str, context: Context, recorder: CallRecorder) -> None:
        self.headers = _read_text(context.invocation_metadata())
        self.id = _choose_id(self.headers | _read_text(context.trailing_metadata()))
        self.status = "OK"
        self.key_name: str | None = None
        self._problem = ""
        self._path = path
        self._context = context
        self._recorder = recorder
        self.record = recorder.begin(path, _choose_carrier(context.invocation_metadata()))

    def refuse(self, error: ProblemError) -> None:
        """Give the call its status."""
        code = find_code(error)
        self.status = code.name
        self._problem = error.type
        self._context.set_code(code)
        self._context.set_details(str(error))
        self._context.set_trailing_metadata([(DETAILS, build_status(error).SerializeToString())])

    def close(self) -> None:
        """Record what the call came to."""
        outcome = CallOutcome(
            METHOD, self._path, self._path, self.status, self._problem, self.key_name
        )
        self._recorder.end(self.record, outcome)


def _read_text(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """Read the text of metadata, by name."""
    return {name: text for name, text in metadata if isinstance(text, str)}


def _choose_carrier(metadata: Iterable[tuple[str, str | bytes]]) -> Mapping[str, str]:
    """Choose what says in which span a call was made; more than one say nothing."""
    found = [pair for pair in metadata if pair[0] == "traceparent"]
    return _read_text(metadata) if len(found) == 1 else NO_CARRIER


def _choose_id(metadata: dict[str, str]) -> str:
    """Keep the client's id, or Serve's, where it is short and plain."""
    wanted = metadata.get(REQUEST_ID, "")
    return wanted if is_safe_id(wanted) else uuid.uuid4().hex
