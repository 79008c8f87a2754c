"""Ports for servers that a test or a benchmark starts."""

import contextlib
import os
import random
import socket
from typing import Final

PORTS: Final = range(31_000, 32_768)
"""Nobody else hands these out: Ray's workers take 10002 to 19999, replicas of `vitrine serve` 20000
to 29999, Serve's own 30000 to 30999, and Linux gives connections 32768 and up."""


def find_port() -> int:
    """Find a port that is free now, and that no other process of the tests chooses meanwhile.

    Raises:
        OSError: all of them are taken.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = PORTS[process % 2 :: 2]
    for port in random.sample(ports, len(ports)):
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", port)):  # noqa: S104
            return port
    raise OSError(f"No port between {ports[0]} and {ports[-1]} is free.")
