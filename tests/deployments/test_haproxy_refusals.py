"""What HAProxy refuses: its lines as the installed HAProxy writes them, and what is logged."""

import pytest

from app.deployments.haproxy_refusals import (
    MAX_LOGGED_PATH,
    PROBES,
    Refusal,
    RefusalCount,
    read_refusal,
)
from app.observability import request_metrics
from tests.support.log_lines import collect_lines

LATE = "deadline-exceeded"


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("http-vitrine 503 LR POST /predict", ("POST", "/predict", 503, "overloaded")),
        ("grpc-vitrine 200 LR POST /a.B/C", ("gRPC", "/a.B/C", "UNAVAILABLE", "overloaded")),
        ("http-vitrine 503 SC GET /labels", ("GET", "/labels", 503, "model-unavailable")),
        ("grpc-vitrine 504 sH POST /a.B/C", ("gRPC", "/a.B/C", "UNAVAILABLE", "model-unavailable")),
        ("http_frontend 408 cR POST /predict", ("POST", "/predict", 504, LATE)),
        ("http_frontend 408 cR <BADREQ> <BADREQ>", ("-", "-", 408, "")),
        ("http_frontend 400 PR <BADREQ> <BADREQ>", ("-", "-", 400, "")),
        ("default_backend 404 LR GET /other", ("GET", "/other", 404, "")),
        ("http-other 503 LR GET /other", ("GET", "/other", 503, "")),
    ],
)
def test_a_line_is_read_as_what_the_client_got(
    line: str, refusal: tuple[str, str, int | str, str]
) -> None:
    """The status is that of the page or the rule, which is not always HAProxy's own."""
    assert read_refusal(line.encode()) == Refusal(*refusal)


@pytest.mark.parametrize(
    "line",
    [
        "http-vitrine -1 CD POST /predict",
        "http-vitrine 400 CR POST /predict",
        "grpc_frontend 200 LR POST /ray.serve.RayServeAPIService/Healthz",
        "Server http-vitrine/one is DOWN, reason: Layer4 timeout.",
        "http-vitrine 503 LR POST",
        "default_backend 404 LR GET /readyz",
        "grpc-vitrine 503 SC POST /grpc.health.v1.Health/Check",
        "",
    ],
)
def test_what_is_no_refusal_is_not_counted(line: str) -> None:
    """A client that has left, a good answer, another message, a cut line, a probe."""
    assert read_refusal(line.encode()) is None


def test_probes_are_those_that_are_not_counted_as_requests() -> None:
    """A name that is no route would be left out of the log without reason."""
    assert PROBES <= request_metrics.PROBES


def test_kinds_are_counted_and_logged_once() -> None:
    """Each has its first request, and how many there were."""
    refusals = RefusalCount()
    refusals.add([b"http-vitrine 503 LR POST /predict"] * 3 + [b"http_frontend 408 cR POST /hf"])
    refusals.add([b"http-vitrine 503 LR POST /hf"])
    with collect_lines() as lines:
        refusals.log()
    shown = [
        [line.get(name) for name in ("method", "path", "status", "problem", "count")]
        for line in lines
    ]
    assert shown == [["POST", "/predict", 503, "overloaded", 4], ["POST", "/hf", 504, LATE, 1]]
    assert lines[0]["message"] == "POST /predict 503 overloaded at HAProxy, 4 times"


def test_no_path_forges_a_line() -> None:
    """Whatever bytes a path has, it is percent-encoded, and not too long."""
    hostile = b'http-vitrine 503 LR POST /%0a%22\x1b[2J"{\\\xff' + b"x" * 2000
    refusal = read_refusal(hostile)
    assert refusal is not None
    assert refusal.path.startswith("/%0A%22%1B%5B2J%22%7B%5C%EF%BF%BDxxx")
    assert len(refusal.path) == MAX_LOGGED_PATH
