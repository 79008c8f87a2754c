"""HAProxy with its configuration put right, where a real start cannot show it."""

import subprocess
from pathlib import Path

import pytest

from app.deployments.haproxy_config import (
    GRPC_TYPE,
    WAIT,
    check_folder,
    configure_haproxy,
    format_grpc_rule,
    format_page,
    format_rule,
)
from app.errors import DeadlineExceededError, ModelUnavailableError, StartupError
from schemas import Problem

CONFIGURATION = """\
global
    log 127.0.0.1:514 local0 info
    log /dev/log local0
    errorfile 504 /elsewhere/500.http
defaults
    timeout client 60s
frontend prometheus
    bind :9101
frontend http_frontend
    bind 127.0.0.1:8000
    server one 127.0.0.1:8000 check
frontend grpc_frontend
    bind [::]:9000 proto h2
backend http-vitrine
    http-reuse always
backend grpc-vitrine
    http-reuse always
listen stats
  bind *:8404
"""


@pytest.mark.parametrize(
    ("front", "place"),
    [
        ("0.0.0.0:8000", "0.0.0.0:8000"),
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("a-b.c:8000", "a-b.c:8000"),
        ("[::]:8000", "[::]:8000"),
        ("[::1]:8000", "[::1]:8000 v6only"),
    ],
)
def test_haproxy_starts_with_its_configuration_put_right(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, front: str, place: str
) -> None:
    """The front is where it is told, all else on 127.0.0.1; no line is sent; the page is ours."""
    run, configuration, haproxy = (tmp_path / name for name in ("run", "haproxy.cfg", "ha proxy"))
    run.mkdir()
    configuration.write_text(CONFIGURATION)
    haproxy.write_text('#!/bin/sh\necho "$@"\n')
    haproxy.chmod(0o700)
    monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", str(haproxy))
    (program,) = configure_haproxy(
        run, {8000: front, 9000: front.replace("8000", "9000")}, 256
    ).values()
    expected = CONFIGURATION.replace("    log 127.0.0.1:514 local0 info\n", "")
    for before, after in (
        ("bind :9101", "bind 127.0.0.1:9101"),
        ("bind *:8404", "bind 127.0.0.1:8404"),
        ("bind [::]:9000 proto h2", f"bind {place.replace('8000', '9000')} proto h2"),
        ("bind 127.0.0.1:8000", f"bind {place}"),
        ("504 /elsewhere/500.http", f"504 {run}/refusal.http\n    errorfile 408 {run}/late.http"),
        ("frontend http_frontend", f"frontend http_frontend\n    {WAIT}"),
        ("backend http-vitrine", f"backend http-vitrine\n    {format_rule(run, 256)}"),
        (
            "backend grpc-vitrine",
            f"backend grpc-vitrine\n    {format_grpc_rule(256)}\n    {GRPC_TYPE}",
        ),
        ("timeout client 60s", "timeout client 60s\n    timeout http-request 30s"),
    ):
        expected = expected.replace(before, after)
    command = [program, "-db", "-f", str(configuration), "-sf", "7"]
    for _ in range(2):  # a reload may find the file as it left it
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split() == command[1:]
        assert configuration.read_text() == expected
    assert (run / "refusal.http").read_bytes().startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    problem = Problem.model_validate_json((run / "full.json").read_bytes(), strict=True)
    assert (problem.type, problem.status) == ("urn:vitrine:problem:overloaded", 503)
    assert (run / "late.http").read_bytes().startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")


def test_a_folder_that_is_too_deep_for_sockets_is_refused() -> None:
    """HAProxy would say so after Ray has started, and in its own log."""
    check_folder(Path("/var/vitrine-12345678"))
    with pytest.raises(StartupError, match="TMPDIR"):
        check_folder(Path("/home/somebody/tmp/vitrine-12345678"))


def test_haproxys_own_answers_are_problems() -> None:
    """Each is a whole HTTP answer in the words of RFC 9457."""
    head, body = format_page(ModelUnavailableError("none")).split("\r\n\r\n")
    lines = head.split("\r\n")
    assert lines[0] == "HTTP/1.1 503 Service Unavailable"
    assert f"Content-Length: {len(body)}" in lines
    assert "Retry-After: 5" in lines
    problem = Problem.model_validate_json(body, strict=True)
    assert (problem.type, problem.status) == ("urn:vitrine:problem:model-unavailable", 503)
    assert "Retry-After" not in format_page(DeadlineExceededError("late"))
