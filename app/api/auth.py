"""Who may come in: a request brings a key, or wants what is open to everybody."""

from starlette.datastructures import Headers
from starlette.types import Scope

from app.errors import UnauthorizedError
from app.keys import Key, find_key

API_KEY = "X-API-Key"
OPEN = frozenset({"/", "/docs", "/openapi.json", "/livez", "/readyz"})
"""Paths that need no key: what an orchestrator asks, and what tells a person how to ask."""

OPEN_FOLDER = "/swagger/"
"""What /docs loads."""

SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key, where the service has keys.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": API_KEY,
        "description": "The same key in a header of its own.",
    },
}
"""The security schemes of the OpenAPI document."""


class Guard:
    """Lets a request in when it brings one of the keys; without keys it lets in everybody."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys

    def admit(self, scope: Scope, headers: Headers) -> str | None:
        """Tell the name of a request's key; None where none is needed.

        Raises:
            UnauthorizedError: it brings no key, or a wrong one.
        """
        if not self._keys or is_open(find_path(scope)):
            return None
        given = _read_key(headers)
        if given is None:
            message = f"Send a key, as `Authorization: Bearer KEY` or `{API_KEY}: KEY`."
            raise UnauthorizedError(message)
        key = find_key(self._keys, given)
        if key is None:
            raise UnauthorizedError("The key is not one of this service's.")
        return key.name


def find_path(scope: Scope) -> str:
    """Find a request's path below where the app is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_open(path: str) -> bool:
    """Tell whether a path needs no key."""
    return path in OPEN or path.startswith(OPEN_FOLDER)


def _read_key(headers: Headers) -> str | None:
    """Read the key that a request brings; X-API-Key counts where both are sent."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    return headers.get(API_KEY, bearer) or None
