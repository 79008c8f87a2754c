"""Ports for servers that a test or a benchmark starts."""

import contextlib
import itertools
import os
import random
import socket
from collections.abc import Iterator
from typing import Final

PORTS: Final = range(31_000, 32_768)
"""Nobody else hands these out: Ray's workers take 10002 to 19999, replicas of `vitrine serve` 20000
to 29999, Serve's own 30000 to 30999, and Linux gives connections 32768 and up."""


def _shuffle() -> Iterator[int]:
    """Give the ports of this process for ever, in random order: all of them before one again."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = PORTS[process % 2 :: 2]
    return itertools.cycle(random.sample(ports, len(ports)))


_ports = _shuffle()


def find_port() -> int:
    """Find a port that is free now, and that nobody else in the tests was just given.

    Raises:
        OSError: all of them are taken.
    """
    for port in itertools.islice(_ports, len(PORTS) // 2):
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", port)):  # noqa: S104
            return port
    raise OSError(f"No port from {PORTS[0]} to {PORTS[-1]} is free.")
