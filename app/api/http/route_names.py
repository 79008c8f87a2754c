"""The names of routes for metrics: finitely many, whatever paths are asked for."""

from collections.abc import Callable, Sequence

from fastapi import APIRouter
from starlette.routing import Route

from app.observability.request_metrics import OTHER_ROUTE


class RouteNames:
    """Finds the route that a path belongs to, answered or refused.

    Args:
        routers: all routes of the app.
    """

    def __init__(self, routers: Sequence[APIRouter]) -> None:
        self._fixed = {"/openapi.json"}
        self._patterns: list[tuple[Callable[[str], object], str]] = []
        for router in routers:
            for route in router.routes:
                assert isinstance(route, Route)  # noqa: S101 - we mount nothing
                if "{" in route.path:
                    self._patterns.append((route.path_regex.match, route.path_format))
                else:
                    self._fixed.add(route.path)

    def find(self, path: str) -> str:
        """Find the name of a path's route."""
        if path in self._fixed:
            return path
        return next((name for fits, name in self._patterns if fits(path)), OTHER_ROUTE)
