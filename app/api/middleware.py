"""Around every request: its id, its body limit, its log line, and the last word on errors.

Pure ASGI, so that a client that goes away still cancels the work.
"""

import logging
import re
import time
import uuid
from http import HTTPStatus
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import build_internal_error, build_response
from app.errors import PayloadTooLargeError
from app.logs import request_id

REQUEST_ID = "X-Request-ID"
CLIENT_GONE = 499
"""What is logged for a request whose client went away before it was answered."""
LONGEST_PATH = 1000
"""Characters of a path that are logged."""

_SAFE_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_logger = logging.getLogger("vitrine.access")


class RequestMiddleware:
    """Gives each request an id, refuses a body that is too large, and logs one line.

    Args:
        app: what answers.
        max_body: largest body in bytes.
        answers_request_id: put the id on answers; False where the server does it already.
    """

    def __init__(self, app: ASGIApp, max_body: int, *, answers_request_id: bool) -> None:
        self._app = app
        self._max_body = max_body
        self._answers_request_id = answers_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        identifier = _choose_id(headers, is_echoed=not self._answers_request_id)
        exchange = Exchange(
            scope, send, identifier, self._max_body, answers=self._answers_request_id
        )
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
        """Pass the request on, unless its body is announced as too large."""
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_body:
            message = f"The body has {length} bytes; at most {self._max_body} are read."
            response = build_response(PayloadTooLargeError(message), {"Connection": "close"})
            await response(scope, receive, exchange.send)
            return
        await self._app(scope, receive, exchange.send)


class Exchange:
    """One request and the answer that is being sent to it."""

    def __init__(
        self, scope: Scope, send: Send, identifier: str, max_body: int, *, answers: bool
    ) -> None:
        self.id = identifier
        self._left = max_body
        self._answers = answers
        self._scope = scope
        self._send = send
        self._started = time.perf_counter()
        self._status: int | None = None
        self._is_gone = False

    def watch(self, receive: Receive) -> Receive:
        """Notice when the client goes away, and when the body outgrows its limit."""

        async def watched() -> Message:
            message = await receive()
            self._is_gone |= message["type"] == "http.disconnect"
            self._left -= len(message.get("body", b""))
            if self._left < 0:  # of Starlette's kind, which FastAPI lets through
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
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
            await build_response(build_internal_error())(self._scope, _receive_nothing, self.send)

    def log(self) -> None:
        """Write the request's line."""
        method, path = self._scope["method"], quote(self._scope["path"])[:LONGEST_PATH]  # one line
        status = CLIENT_GONE if self._is_gone or self._status is None else self._status
        duration_ms = (time.perf_counter() - self._started) * 1000
        _logger.info(
            "%s %s %s %.1f ms",
            method,
            path,
            status,
            duration_ms,
            extra={
                "fields": {
                    "method": method,
                    "path": path,
                    "status": status,
                    "duration_ms": round(duration_ms, 2),
                }
            },
        )


def _choose_id(headers: Headers, *, is_echoed: bool) -> str:
    """Keep the client's id where it is short and plain, or where the server echoes it anyway."""
    wanted = headers.get(REQUEST_ID, "")
    return wanted if is_echoed or _SAFE_ID.fullmatch(wanted) else uuid.uuid4().hex


async def _receive_nothing() -> Message:
    return {"type": "http.disconnect"}
