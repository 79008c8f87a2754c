"""Rename or drop request headers that Ray Serve would act on before the app sees them.

`app.deployments.server_hook` gives them to Serve's servers, so they run before Serve.
"""

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.http.request_headers import MOVED_TIMEOUT, TIMEOUT

_RENAMED_HEADERS = {TIMEOUT.lower().encode(): MOVED_TIMEOUT.lower().encode()}
_REMOVED_HEADERS = {
    b"x-request-disconnect-disabled",
    b"serve_multiplexed_model_id",
    b"serve-multiplexed-model-id",
}
"""A request is always cancelled when its client disconnects; and there is one model."""


class HeaderMiddleware:
    """Renames and drops headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            scope["headers"] = [
                (_RENAMED_HEADERS.get(name, name), value)
                for name, value in scope["headers"]
                if name not in _REMOVED_HEADERS
            ]
        await self._app(scope, receive, send)


def list_middlewares() -> list[Middleware]:
    """List what Serve's servers put before Serve."""
    return [Middleware(HeaderMiddleware)]
