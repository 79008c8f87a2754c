"""What two services on one machine do not share, and what is left of one that has ended."""

import logging
import re
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from app.deployments.serve_environment import VARIABLES
from app.errors import StartupError
from app.standalone import isolation
from app.standalone.isolation import list_environment, make_run_folder


def test_two_services_share_no_file_and_no_port(tmp_path: Path) -> None:
    """HAProxy's files lie in the service's own folder and its ports are free ones."""
    one = list_environment("haproxy", tmp_path / "one")
    with socket.create_server(("127.0.0.1", int(one["RAY_SERVE_HAPROXY_STATS_PORT"]))):
        two = list_environment("haproxy", tmp_path / "two")
    own = {row.name for row in VARIABLES if re.search(r"{(ports|folder|token)", row.value)}
    assert len(own) == 15
    assert all(one[name] != two[name] for name in own)


def test_no_port_is_one_that_the_system_hands_out(tmp_path: Path) -> None:
    """A connection that goes out could take it before HAProxy does, and the start would fail."""
    variables = list_environment("haproxy", tmp_path)
    ports = [int(value) for name, value in variables.items() if name.endswith("_PORT")]
    assert len(set(ports)) == len(ports) == 8
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(port < first for port in ports)


def test_ingress_replicas_get_ports_that_nobody_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serve binds shared ports: on another service's ones, requests would go to either."""
    monkeypatch.setattr(isolation, "PORT_BLOCKS", range(9_800, 10_000, 100))
    with socket.create_server(("127.0.0.1", 9_899), reuse_port=True):
        variables = list_environment("haproxy", tmp_path)
        assert variables["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"] == "9900"
        assert variables["RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT"] == "9947"
        with (
            socket.create_server(("127.0.0.1", 9_999), reuse_port=True),
            pytest.raises(StartupError, match="No ports"),
        ):
            list_environment("haproxy", tmp_path)


def test_two_rays_share_no_token(tmp_path: Path) -> None:
    """Each service's Ray stays on this machine and has a token of its own."""
    one, two = (list_environment("python", tmp_path) for _ in range(2))
    assert one["RAY_AUTH_MODE"] == two["RAY_AUTH_MODE"] == "token"
    assert one["RAY_AUTH_TOKEN"] != two["RAY_AUTH_TOKEN"]
    assert one["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


def test_the_python_proxy_switches_direct_ingress_off(tmp_path: Path) -> None:
    """The throughput flags alone would leave no proxy at all."""
    variables = list_environment("python", tmp_path)
    assert variables["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    assert variables["RAY_SERVE_ENABLE_DIRECT_INGRESS"] == "0"
    assert variables["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"


def test_the_folder_of_a_run_is_private_and_goes_with_it() -> None:
    """Ray's logs, HAProxy's socket and the log's pipe lie where no other user gets."""
    with make_run_folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


@pytest.mark.parametrize("error", [StartupError, KeyboardInterrupt])
def test_a_start_that_fails_leaves_no_folder(error: type[BaseException]) -> None:
    """Its reason has been told."""
    with pytest.raises(error), make_run_folder() as folder:
        raise error
    assert not folder.exists()


def test_a_crash_keeps_the_folder_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ray's log files are needed then, as they are with VITRINE_LOG_LEVEL=debug."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    caplog.set_level(logging.WARNING, "vitrine.launch")
    with pytest.raises(ZeroDivisionError), make_run_folder() as crashed:
        raise ZeroDivisionError
    caplog.set_level(logging.DEBUG, "vitrine.launch")
    with make_run_folder() as debugged:
        pass
    assert sorted(tmp_path.iterdir()) == sorted([crashed, debugged])
    assert [message.rpartition(" ")[2] for message in caplog.messages] == [
        str(crashed),
        str(debugged),
    ]
