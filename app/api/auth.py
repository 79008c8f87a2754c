"""Which paths are open to everybody, and how the OpenAPI document tells of keys."""

from starlette.types import Scope

from app.guard import API_KEY

OPEN = frozenset(
    {"/", "/docs", "/openapi.json", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
)
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


def find_path(scope: Scope) -> str:
    """Find a request's path below where the app is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_open(path: str) -> bool:
    """Tell whether a path needs no key."""
    return path in OPEN or path.startswith(OPEN_FOLDER)
