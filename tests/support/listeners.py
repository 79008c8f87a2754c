"""Who of a service listens where, as the system tells it."""

import re
from contextlib import suppress
from socket import SOCK_DGRAM
from typing import NamedTuple

import psutil

from tests.support.service import Service

_TITLES = (
    (r"ray::IDLE", "ray::IDLE"),
    (r"ray::ServeReplica:vitrine:(\w+)", r"replica \1"),
    (r"ray::(\w+)", r"ray::\1"),
    (r".*/haproxy ", "haproxy"),
    (r".*/raylet ", "raylet"),
    (r".*/gcs_server ", "gcs_server"),
    (r".*/(dashboard|monitor)\.py ", r"\1.py"),
    (r".*app\.cli\.main serve", "vitrine serve"),
)


class Listener(NamedTuple):
    """A port that a process listens on, of TCP or UDP.

    Attributes:
        process: what it is, in the words of docs/security.md.
        address: where it listens.
        port: on which port.
    """

    process: str
    address: str
    port: int


def list_listeners(service: Service) -> set[Listener]:
    """List all that a service's processes listen on."""
    found = set()
    for process in service.list_processes():
        with suppress(psutil.Error):
            title = _name_process(" ".join(process.cmdline()))
            for one in process.net_connections("inet"):
                if one.status == psutil.CONN_LISTEN or one.type == SOCK_DGRAM:
                    address = one.laddr.ip.removeprefix("::ffff:")  # gRPC speaks IPv6 alone
                    found.add(Listener(title, address, one.laddr.port))
    return found


def _name_process(command: str) -> str:
    """Name a process by its command line; one that is not known keeps it."""
    for pattern, name in _TITLES:
        if match := re.match(pattern, command):
            return match.expand(name)
    return command
