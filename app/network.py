"""Host addresses: loopback, the format in a URL, and whether a port is free."""

import ipaddress
import socket

LOOPBACK = "127.0.0.1"
ANY_PORT = 0
"""The port that stands for any free one."""


def is_loopback(host: str) -> bool:
    """Tell whether `host` is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def format_address(host: str, port: int) -> str:
    """Format an address for a URL: IPv6 in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def find_port_error(host: str, port: int) -> str | None:
    """Find why a port of this machine cannot be listened on; None if it can.

    With `ANY_PORT` that is why the host cannot be: the machine does not have the address.
    """
    is_ipv6 = ":" in host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    try:
        socket.create_server((host, port), family=family, dualstack_ipv6=is_ipv6).close()
    except OSError as exc:
        return str(exc.strerror).partition(" (while")[0]  # without the address once more
    return None
