"""Requests of every API, by route, status and kind of problem; and how long they took."""

from functools import cache

from prometheus_client import Counter

from app.observability.histogram import NO_LABELS, FastHistogram, Labels, Series
from app.observability.metrics import REGISTRY, SECONDS

OTHER_ROUTE = "other"
"""Route of a request to a path that is not there."""

PROBES = frozenset(
    {
        "/health",
        "/livez",
        "/readyz",
        "/metrics",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{name}/ready",
        "/v2/models/{name}/versions/{version}/ready",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.health.v1.Health/List",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
        "/inference.GRPCInferenceService/ModelReady",
    }
)
"""Routes that no user asks: they are not counted."""

_requests = Counter(
    "vitrine_requests",
    "Requests that were answered, of every API, by the type of their problem (none: empty).",
    ["route", "status", "problem"],
    registry=REGISTRY,
)
_seconds = FastHistogram(
    "vitrine_request_seconds",
    "Seconds from a request's headers to the end of its answer.",
    SECONDS,
    "route",
)


def count_request(
    route: str, status: int | str, problem: str, seconds: float, exemplar: Labels = NO_LABELS
) -> None:
    """Count a request that has ended.

    Args:
        route: path of the API, or full name of the method; one of finitely many.
        status: HTTP's, or the name of gRPC's.
        problem: type of its problem; empty for none.
        seconds: from its headers to the end of its answer.
        exemplar: what names it, should it be that of its bucket.
    """
    if route not in PROBES:
        requests, times = _find_series(route, status, problem)
        requests.inc()
        times.add(seconds, exemplar)


@cache  # there are as many as the API has routes and errors
def _find_series(route: str, status: int | str, problem: str) -> tuple[Counter, Series]:
    """Find the series of a kind of request."""
    return _requests.labels(route, str(status), problem), _seconds.find(route)
