"""What a replica says of its environment, and what it refuses."""

import logging

import pytest

from app.deployments.self_check import check_environment
from app.deployments.serve_environment import list_serve_variables, list_variables
from app.errors import StartupError

WHOLE = list_serve_variables(1000, "/opt/vitrine-haproxy") | list_variables("node", token="t")  # noqa: S106


def test_a_whole_environment_is_not_spoken_of(caplog: pytest.LogCaptureFixture) -> None:
    """Behind HAProxy, and before Serve's proxy in Python, whose HAProxy variables do not count."""
    python = {name: value for name, value in WHOLE.items() if "_HAPROXY_" not in name}
    for environment in (WHOLE, python | {"RAY_SERVE_ENABLE_HA_PROXY": "0"}):
        check_environment(environment)
    del python["RAY_AUTH_TOKEN"]  # it may be in a file
    check_environment(python | {"RAY_SERVE_ENABLE_HA_PROXY": "0"})
    assert caplog.messages == []


@pytest.mark.parametrize("name", sorted(WHOLE.keys() - {"RAY_AUTH_TOKEN"}))
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
