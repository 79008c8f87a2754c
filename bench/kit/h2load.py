"""A closed loop over gRPC, and the same loop over HTTP to compare it with: h2load.

It sends one prebuilt message over and over; a call's status is in trailers that it does not read,
so answers are counted by their bytes. Knows an address, not a service.
"""

import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from bench.kit.servers import BenchError

WARM_UP_S = 1
SHORTEST = 100
"""Bytes of a good answer at least; an error of gRPC has none."""


@dataclass(frozen=True)
class Traffic:
    """What is sent, and how.

    Attributes:
        url: where to.
        headers: in the form that h2load takes.
        body: of each request.
        is_http1: HTTP/1.1 in place of HTTP/2.
    """

    url: str
    headers: Sequence[str]
    body: bytes
    is_http1: bool


def check_h2load() -> None:
    """Refuse to begin without h2load."""
    if shutil.which("h2load") is None:
        message = "h2load is missing: install it with `sudo apt-get install nghttp2-client`"
        raise BenchError(message)


def frame(message: bytes) -> bytes:
    """Put a message into the frame of gRPC."""
    return b"\0" + struct.pack(">I", len(message)) + message


def drive(traffic: Traffic, connections: int, seconds: int) -> float:
    """Keep so many connections busy; return good answers a second.

    Raises:
        BenchError: an answer was not good.
    """
    with tempfile.NamedTemporaryFile(prefix="vitrine-bench-", suffix=".body") as file:
        file.write(traffic.body)
        file.flush()
        headers = [word for header in traffic.headers for word in ("-H", header)]
        times = (f"-D{seconds}", f"--warm-up-time={WARM_UP_S}")
        flags = (*(("--h1",) if traffic.is_http1 else ()), "-m1", f"-c{connections}", *times)
        command = ("h2load", *flags, "-d", file.name, *headers, traffic.url)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    good = _find(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout)
    data = _find(r"\((\d+)\) data", done.stdout)
    if not good or data < 0.95 * good * SHORTEST:  # the last ones are cut off
        raise BenchError(f"h2load saw answers that are not good:\n{done.stdout}{done.stderr}")
    return good / seconds


def _find(pattern: str, text: str) -> int:
    """Find a number; 0 where it is not there."""
    match = re.search(pattern, text)
    return int(match[1]) if match else 0
