"""Around every request: its id, key, deadline, what its body may be, its log line, the last word.

Pure ASGI, so that a client that goes away still cancels the work.
"""

import logging
import time
import uuid
from collections.abc import Callable
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.http.body import Body, drain_body, has_body, read_length
from app.api.http.deadline import choose_deadline
from app.api.http.open_paths import find_path, is_open
from app.api.http.problems import build_response
from app.auth.authenticator import Authenticator
from app.errors import OverloadedError, PayloadTooLargeError, ProblemError
from app.observability.access_log import CLIENT_GONE, build_internal_error, is_safe_id, log_access
from app.observability.logs import request_id
from app.prediction.predictor import Predictor

REQUEST_ID = "X-Request-ID"
MAX_LOGGED_PATH = 1000
"""Characters of a path that are logged."""

_logger = logging.getLogger("vitrine.access")


class RequestMiddleware:
    """Gives each request an id and a deadline, refuses who or what may not come in, logs one line.

    Args:
        app: what answers.
        guard: who may come in; asked before anything else is looked at.
        predictor: its admission is asked before a body is read; its limits are the requests' too.
        find_max_body: finds the largest body of a path, in bytes.
        answers_request_id: put the id on answers; False where the server does it already.
    """

    def __init__(
        self,
        app: ASGIApp,
        guard: Authenticator,
        predictor: Predictor,
        find_max_body: Callable[[str], int],
        *,
        answers_request_id: bool,
    ) -> None:
        self._app = app
        self._guard = guard
        self._admission = predictor.admission
        self._timeout_s = predictor.limits.timeout_s
        self._find_max_body = find_max_body
        self._answers_request_id = answers_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        identifier = _choose_id(headers, is_echoed=not self._answers_request_id)
        exchange = Exchange(scope, send, identifier, answers=self._answers_request_id)
        token = request_id.set(exchange.id)
        try:
            await self._answer(scope, exchange.watch(receive), exchange, headers)
        except Exception:  # the one place: whatever it is, the client gets a problem and an id
            _logger.exception("unforeseen error")
            await exchange.refuse()
        finally:
            exchange.log()
            request_id.reset(token)

    async def _answer(
        self, scope: Scope, receive: Receive, exchange: "Exchange", headers: Headers
    ) -> None:
        """Pass the request on, unless its headers tell already that it cannot be answered."""
        try:
            path = find_path(scope)
            exchange.key_name = None if is_open(path) else self._guard.authenticate(headers)
            deadline = choose_deadline(headers, self._timeout_s)
            max_body = self._find_max_body(path)
            self._check_announced(headers, max_body)
        except ProblemError as problem:
            full = isinstance(problem, OverloadedError)
            serves_on = full and await drain_body(headers, receive)
            response = build_response(problem, scope, {} if serves_on else {"Connection": "close"})
            await response(scope, receive, exchange.send)
            return
        if has_body(headers):
            await self._admission.yield_to_disconnects()
        body = Body(self._admission, max_body, deadline)
        scope.setdefault("state", {}).update(deadline=deadline, body=body)
        try:
            await self._app(scope, body.limit(receive), exchange.send)
        finally:
            body.free()

    def _check_announced(self, headers: Headers, max_body: int) -> None:
        """Refuse a body by its announced length: too large, or too much for now."""
        length = read_length(headers)
        if length > max_body:
            message = f"The body has {length} bytes; at most {max_body} are read."
            raise PayloadTooLargeError(message)
        if has_body(headers):
            self._admission.check(length)


class Exchange:
    """One request and the answer that is being sent to it.

    Attributes:
        id: the request's.
        key_name: the name of the key that it brought; None where none is needed.
    """

    def __init__(self, scope: Scope, send: Send, identifier: str, *, answers: bool) -> None:
        self.id = identifier
        self.key_name: str | None = None
        self._answers = answers
        self._scope = scope
        self._send = send
        self._started = time.perf_counter()
        self._status: int | None = None
        self._is_gone = False

    def watch(self, receive: Receive) -> Receive:
        """Notice when the client goes away."""

        async def watched() -> Message:
            message = await receive()
            self._is_gone |= message["type"] == "http.disconnect"
            return message

        return watched

    async def send(self, message: Message) -> None:
        """Send a message of the answer, with the request's id in its headers."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self._answers:
                MutableHeaders(scope=message)[REQUEST_ID] = self.id
        await self._send(message)

    async def refuse(self) -> None:
        """Answer an unforeseen error, unless an answer has begun."""
        if self._status is None:
            response = build_response(build_internal_error(), self._scope)
            await response(self._scope, _receive_nothing, self.send)

    def log(self) -> None:
        """Write the request's line."""
        method, path = (
            self._scope["method"],
            quote(self._scope["path"])[:MAX_LOGGED_PATH],
        )
        status = CLIENT_GONE if self._is_gone or self._status is None else self._status
        log_access(method, path, status, self._started, self.key_name)


def _choose_id(headers: Headers, *, is_echoed: bool) -> str:
    """Keep the client's id where it is short and plain, or where the server echoes it anyway."""
    wanted = headers.get(REQUEST_ID, "")
    return wanted if is_echoed or is_safe_id(wanted) else uuid.uuid4().hex


async def _receive_nothing() -> Message:
    return {"type": "http.disconnect"}
