"""What a node reports of itself, asked in this process."""

import socket

import pytest

from app.deployments.rollout.node import NodeQuestion, NodeReport, describe_node
from app.network import LOOPBACK

ELSEWHERE = "192.0.2.1"
"""An address for documentation (RFC 5737), which no machine has."""


def ask(question: NodeQuestion) -> NodeReport:
    """Ask this machine."""
    return NodeReport("here", **describe_node(question))  # type: ignore[arg-type] # as it is sent


def test_values_of_variables_are_reported_but_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is neither compared nor sent, nor what only `vitrine serve` sets."""
    for name, value in (
        ("RAY_AUTH_MODE", "disabled"),
        ("RAY_SERVE_HAPROXY_RETRIES", "9"),
        ("RAY_AUTH_TOKEN", "a-secret"),
        ("RAY_TMPDIR", "/tmp"),  # noqa: S108 - only a value
    ):
        monkeypatch.setenv(name, value)
    report = ask(NodeQuestion({}, loads_model=False))
    assert report.variables["RAY_AUTH_MODE"] == "disabled"
    assert report.variables["RAY_SERVE_HAPROXY_RETRIES"] == "9"
    assert not {"RAY_AUTH_TOKEN", "RAY_TMPDIR"} & report.variables.keys()
    assert "a-secret" not in str(report)


def test_an_address_that_the_node_does_not_have_is_told_of() -> None:
    """Apart from ports that are taken."""
    assert ask(NodeQuestion({}, loads_model=False)).host_error == ""
    assert ask(NodeQuestion({}, LOOPBACK, loads_model=False)).host_error == ""
    assert ask(NodeQuestion({}, ELSEWHERE, loads_model=False)).host_error.startswith(
        "Cannot assign"
    )


def test_a_port_that_is_taken_is_told_of() -> None:
    """With the number and the reason, by what sets it."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        question = NodeQuestion(
            {}, LOOPBACK, {"http_options.port": (LOOPBACK, port)}, loads_model=False
        )
        report = ask(question)
    assert report.taken == {"http_options.port": f"{port}: Address already in use"}
    assert report.host_error == ""
