"""One HTTP request: its id, key and deadline, the bytes that it holds, its answer's status."""

import asyncio
import contextlib
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.api.http.problems import build_response, find_problem
from app.api.http.request_headers import REQUEST_ID, choose_id, read_length
from app.api.services import Services
from app.errors import (
    DeadlineExceededError,
    InvalidRequestError,
    PayloadTooLargeError,
    ProblemError,
)
from app.observability.access_log import CLIENT_DISCONNECTED
from app.observability.call_record import CallOutcome, CallRecord

MAX_LOGGED_PATH = 1000
"""Characters of a path that are logged."""

MAX_DRAINED_BYTES = 1 << 20
"""Bytes of a refused body that are read and dropped, so that its connection stays open."""

DRAIN_TIMEOUT_S = 1.0
"""Seconds that they may take; HAProxy has mostly read a small body already."""

MAX_LINGER_BYTES = 64 << 20
"""Bytes of an answered request's body that are read and dropped before its connection is closed."""

LINGER_S = 5.0
"""Seconds that they may take."""

LINGERING = asyncio.Semaphore(32)
"""Requests of this process whose bodies are dropped so; where it is locked, others are closed."""


class RequestContext:
    """Receives a request's body within its limits, and records what is sent to it.

    Attributes:
        services: what answers it.
        headers: the request's.
        id: the request's.
        length: bytes of the body that are announced; 0 when none are.
        has_body: whether a body comes.
        key_name: name of the key that it brought; None where none is needed.
        deadline: time of the event loop by which it is answered.
        max_body: maximum number of bytes of its body, and of what is fetched for it.
        call: what is recorded of it; the middleware begins it.
    """

    call: CallRecord

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, services: Services, *, answers_id: bool
    ) -> None:
        self.services = services
        self.headers = Headers(scope=scope)
        self.id = choose_id(self.headers, is_echoed=not answers_id)
        self.length = read_length(self.headers)
        self.has_body = self.length > 0 or "transfer-encoding" in self.headers
        self.key_name: str | None = None
        self.deadline = 0.0
        self.max_body = 0
        self._scope = scope
        self._receive = receive
        self._send = send
        self._answers_id = answers_id
        self._held = 0
        self._is_whole = False
        self._is_disconnected = False
        self._lingers = False
        self._status: int | None = None

    async def receive(self) -> Message:
        """Receive a message of the body, or that the client has disconnected.

        Raises:
            DeadlineExceededError: the body did not come in time.
            PayloadTooLargeError: it has too many bytes.
            OverloadedError: there is no room for them.
        """
        if self._is_whole:
            return await self._receive_any()
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self._receive_any()
        except TimeoutError as exc:
            raise DeadlineExceededError("The body did not come in time.") from exc
        self.hold(len(message.get("body", b"")))
        self._is_whole = not message.get("more_body", False)
        return message

    def hold(self, count: int) -> None:
        """Count bytes that have come, or were fetched, until the request ends.

        Raises:
            PayloadTooLargeError: all together are too many for one request.
            OverloadedError: there is no room for them.
        """
        if self._held + count > self.max_body:
            message = f"All together has more than the {self.max_body} bytes that are read."
            raise PayloadTooLargeError(message)
        if count:
            self.services.predictor.admission.add_bytes(count)
            self._held += count

    async def drain(self) -> None:
        """Read a short body before it is refused, so that its connection stays open."""
        if self.length > MAX_DRAINED_BYTES or {"transfer-encoding", "expect"} & set(self.headers):
            return
        self._is_whole = await self._skip(MAX_DRAINED_BYTES, DRAIN_TIMEOUT_S)

    async def send(self, message: Message) -> None:
        """Send a message of the answer, with the request's id in its headers.

        An answer that comes before the whole body closes its connection; `linger` ends it.
        """
        is_early = self.has_body and not self._is_whole
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            if self._answers_id:
                headers[REQUEST_ID] = self.id
            if is_early:
                headers["Connection"] = "close"
        elif is_early and not message.get("more_body"):
            message = {**message, "more_body": True}
            self._lingers = True
        await self._send(message)

    async def refuse(self, error: ProblemError) -> None:
        """Answer an error, unless an answer has begun."""
        if self._status is None:
            response = build_response(error, self._scope)
            await response(self._scope, self._receive, self.send)

    async def linger(self) -> None:
        """End an early answer when its client has stopped sending, or has sent too much.

        Closed at once, its connection may be reset before the client has read the answer.
        """
        if not self._lingers:
            return
        if not LINGERING.locked():
            async with LINGERING:
                await self._skip(MAX_LINGER_BYTES, LINGER_S)
        await self._send({"type": "http.response.body", "body": b""})

    def close(self, route: str) -> None:
        """Give back what the request held, and record what it came to."""
        self.services.predictor.admission.free_bytes(self._held)
        method, path = self._scope["method"], quote(self._scope["path"])[:MAX_LOGGED_PATH]
        status = (
            CLIENT_DISCONNECTED if self._is_disconnected or self._status is None else self._status
        )
        problem = find_problem(self._scope)
        outcome = CallOutcome(method, path, route, status, problem, self.key_name)
        self.services.recorder.end(self.call, outcome)

    async def _skip(self, max_bytes: int, timeout_s: float) -> bool:
        """Read the rest of the body and drop it; tells whether it has ended within both limits."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while max_bytes > 0:
                    message = await self._receive_any()
                    max_bytes -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        return True
        return False

    async def _receive_any(self) -> Message:
        """Receive any message, and notice when the client disconnects."""
        message = await self._receive()
        self._is_disconnected |= message["type"] == "http.disconnect"
        return message


def get_context(request: Request) -> RequestContext:
    """Get what `RequestMiddleware` knows of a request, and the services that answer it."""
    context: RequestContext = request.state.context
    return context


async def read_body(request: Request) -> bytes:
    """Read a whole body; raises InvalidRequestError where its client disconnects."""
    try:
        return await request.body()
    except ClientDisconnect as exc:
        raise InvalidRequestError("The body has ended early.") from exc
