"""What a replica says of its environment, and what it refuses."""

import logging

import pytest

from app.deployments.self_check import check_environment, check_name
from app.deployments.serve_environment import list_node_variables, list_serve_variables
from app.errors import StartupError

WHOLE = list_serve_variables(1000, "/opt/vitrine-haproxy") | list_node_variables()


def test_a_whole_environment_is_not_spoken_of(caplog: pytest.LogCaptureFixture) -> None:
    """Nor the token, which may be in a file, nor HAProxy's variables before Serve's own proxy."""
    python = {name: value for name, value in WHOLE.items() if "_HAPROXY_" not in name}
    for environment in (WHOLE, python | {"RAY_SERVE_ENABLE_HA_PROXY": "0"}):
        check_environment(environment)
    assert caplog.messages == []


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_what_is_missing_is_said_in_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """With what it costs; a missing program is refused where HAProxy runs."""
    caplog.set_level(logging.WARNING)
    environment = {key: value for key, value in WHOLE.items() if key != name}
    if name == "RAY_SERVE_HAPROXY_BINARY_PATH":
        with pytest.raises(StartupError, match="vitrine-haproxy"):
            check_environment(environment)
        return
    check_environment(environment)
    (message,) = caplog.messages
    assert f"{name} (" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "haproxy", "lines"), [("vitrine", "1", 0), ("digits", "0", 0), ("digits", "1", 1)]
)
def test_a_name_that_haproxy_does_not_know_is_told(
    caplog: pytest.LogCaptureFixture, name: str, haproxy: str, lines: int
) -> None:
    """Its rules are for one name; Serve's proxy in Python has none."""
    caplog.set_level(logging.WARNING)
    check_name(name, {"RAY_SERVE_ENABLE_HA_PROXY": haproxy})
    assert len(caplog.messages) == lines
