"""Middleware around every HTTP request: its id, key, deadline, limits, last error and log line.

Pure ASGI, so that a client that disconnects still cancels the work.
"""

import logging
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.http.open_paths import find_path, is_open
from app.api.http.request_context import RequestContext
from app.api.http.request_headers import choose_deadline, read_trace
from app.api.services import Services
from app.errors import OverloadedError, PayloadTooLargeError, ProblemError
from app.observability.access_log import build_internal_error
from app.observability.call_record import current_call
from app.observability.logs import request_id

EXPLAIN = "/explain"
"""Paths of explanations begin so."""

METRICS = "/metrics"
"""The path that needs no key where the metrics are open, or on a port of their own."""

_logger = logging.getLogger("vitrine.access")


class RequestMiddleware:
    """Gives each request a `RequestContext`, and refuses it where its headers already decide that.

    Args:
        app: what answers.
        services: its authenticator is asked first; its predictor's limits are the requests' too.
        find_max_body: finds the largest body of a path, in bytes.
        find_route: finds the name of a path's route.
        answers_request_id: put the id on answers; False where the server does it already.
    """

    def __init__(
        self,
        app: ASGIApp,
        services: Services,
        find_max_body: Callable[[str], int],
        find_route: Callable[[str], str],
        *,
        answers_request_id: bool,
    ) -> None:
        self._app = app
        self._services = services
        self._find_max_body = find_max_body
        self._find_route = find_route
        self._answers_id = answers_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = self._find_route(find_path(scope))
        context = RequestContext(scope, receive, send, self._services, answers_id=self._answers_id)
        context.call = self._services.recorder.begin(route, read_trace(context.headers))
        tokens = request_id.set(context.id), current_call.set(context.call)
        try:
            await self._answer(scope, context)
        except Exception:  # HTTP's last handler: the client gets a problem with an id
            _logger.exception("unforeseen error")
            await context.refuse(build_internal_error())
        finally:
            context.close(route)
            request_id.reset(tokens[0])
            current_call.reset(tokens[1])
        await context.linger()

    async def _answer(self, scope: Scope, context: RequestContext) -> None:
        """Pass the request on, unless its headers already tell that it cannot be answered."""
        try:
            self._check(find_path(scope), context)
        except ProblemError as problem:
            if isinstance(problem, OverloadedError):
                await context.drain()
            await context.refuse(problem)
            return
        if context.has_body:
            await self._services.predictor.admission.yield_to_disconnects()
        scope.setdefault("state", {})["context"] = context
        await self._app(scope, context.receive, context.send)

    def _check(self, path: str, context: RequestContext) -> None:
        """Check a request's key and headers; raises ProblemError."""
        predictor = self._services.predictor
        metrics = self._services.metrics if path == METRICS else None
        if not (is_open(path) or (metrics and metrics.is_open(context.headers))):
            context.key_name = self._services.authenticator.authenticate(context.headers)
        context.deadline = choose_deadline(context.headers, predictor.limits.timeout_s)
        context.max_body = self._find_max_body(path)
        if context.length > context.max_body:
            message = f"The body has {context.length} bytes; at most {context.max_body} are read."
            raise PayloadTooLargeError(message)
        if context.has_body:
            predictor.admission.check(context.length)
            if path.startswith(EXPLAIN):
                self._services.explanations.check_room()
