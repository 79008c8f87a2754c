"""The front: the address that clients reach, by IPv4, IPv6 or a name. It knows no Ray."""

import contextlib
import http.client
import logging
import socket
import time
from contextlib import closing
from pathlib import Path

from app.errors import SettingsError, StartupError
from app.network import format_address, is_loopback
from app.settings import Settings

READY_S = 60.0
"""Seconds from deployed to the first answer through the proxy."""

MAX_FOLDER_LENGTH = 29
"""Characters: HAProxy takes 97 for the path of a socket, and Serve adds 68 to the folder's."""

_NAMES = ("VITRINE_PORT", "VITRINE_GRPC_PORT")

_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Where this machine reaches what listens everywhere."""

_logger = logging.getLogger("vitrine.launch")


def list_ports(settings: Settings) -> list[int]:
    """List the front's ports: HTTP's, and gRPC's where it is served."""
    return [settings.port] + ([settings.grpc_port] if settings.grpc_port else [])


def check_front(settings: Settings) -> None:
    """Refuse an address that cannot be had, before anything heavy starts; warn of an open door.

    Raises:
        SettingsError: a port is taken, or the host is not this machine's.
    """
    for port, name in zip(list_ports(settings), _NAMES, strict=False):
        _check_port(settings.host, port, name)
    address = format_address(settings.host, settings.port)
    if not (settings.api_keys or is_loopback(settings.host)):
        _logger.warning(
            "Whoever reaches %s may use the model: VITRINE_HOST is not this machine alone and "
            "VITRINE_API_KEYS is not set (docs/security.md)",
            address,
        )


def check_folder(folder: Path) -> None:
    """Refuse a folder in which HAProxy could not make its sockets; raises StartupError."""
    if len(str(folder)) > MAX_FOLDER_LENGTH or " " in str(folder):
        raise StartupError(f"{folder} is too long for HAProxy, or has a space. Set TMPDIR to /tmp.")


def _check_port(host: str, port: int, name: str) -> None:
    """Refuse a port that cannot be listened on; raises SettingsError."""
    is_ipv6 = ":" in host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    try:
        socket.create_server((host, port), family=family, dualstack_ipv6=is_ipv6).close()
    except OSError as exc:
        reason = str(exc.strerror).partition(" (while")[0]  # without the address once more
        message = (
            f"Cannot listen on {format_address(host, port)}: {reason}. "
            f"Set {name} (and VITRINE_HOST) to a free one."
        )
        raise SettingsError(message) from exc


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
