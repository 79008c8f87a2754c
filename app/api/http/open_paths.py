"""The paths that need no key."""

from starlette.types import Scope

OPEN = frozenset(
    {"/", "/docs", "/openapi.json", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
)
"""Health checks of orchestrators, the page and the documentation."""

OPEN_FOLDERS = ("/page/", "/swagger/")
"""What the page and /docs load."""


def find_path(scope: Scope) -> str:
    """Find a request's path below where the app is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_open(path: str) -> bool:
    """Tell whether a path needs no key."""
    return path in OPEN or path.startswith(OPEN_FOLDERS)
