"""Drain HAProxy: close its listeners and wait for the requests in flight.

Serve kills HAProxy at once, and with it every request in flight.
"""

import contextlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import Self

DRAIN_S = 15.0
"""Seconds that requests in flight get when the service stops."""

QUIET_S = 0.5
"""Seconds without a request after which HAProxy counts as drained; connections may stay open."""

POLL_S = 0.05
PROMPT = b"\n> "
_ADMIN_ERRORS = (OSError, LookupError, ValueError)
"""HAProxy does not run, closes the connection, does not answer, or answers in another format."""


def drain(folder: Path, timeout_s: float = DRAIN_S) -> int:
    """Accept no new connection, and wait until the requests in flight are answered.

    On SIGUSR1 HAProxy closes its listeners, also that of its admin socket, and each connection
    with its next answer; an open connection to the admin socket stays open.

    Args:
        folder: private to this service; HAProxy's admin socket is one level below.
        timeout_s: seconds to wait at most.

    Returns:
        How many requests were still in flight at the timeout.
    """
    in_flight = 0
    end = time.monotonic() + timeout_s
    for path in folder.glob("*/admin.sock"):
        with contextlib.suppress(*_ADMIN_ERRORS), _Admin(path, end) as admin:
            os.kill(admin.read_pid(), signal.SIGUSR1)
            in_flight = _wait_until_quiet(admin, end)
    return in_flight


class _Admin:
    """HAProxy's admin socket, until a time of the monotonic clock; raises _ADMIN_ERRORS."""

    def __init__(self, path: Path, end: float) -> None:
        self._end = end
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))
            self._ask("prompt")
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read_pid(self) -> int:
        """Read HAProxy's process id."""
        facts = dict(line.partition(": ")[::2] for line in self._ask("show info").splitlines())
        return int(facts["Pid"])

    def count_requests(self) -> int:
        """Count the requests in flight; an idle connection is none."""
        sessions = self._ask("show sess")
        return sum(sessions.count(f" fe={name}_frontend ") for name in ("http", "grpc"))

    def _ask(self, command: str) -> str:
        """Send a command and return the answer."""
        self._socket.settimeout(max(POLL_S, self._end - time.monotonic()))
        self._socket.sendall(f"{command}\n".encode())
        answer = b""
        while not answer.endswith(PROMPT):
            if not (data := self._socket.recv(1 << 16)):
                raise ConnectionError("HAProxy closed the connection.")
            answer += data
        return answer.removesuffix(PROMPT).decode()


def _wait_until_quiet(admin: _Admin, end: float) -> int:
    """Wait until no request was in flight for QUIET_S; return how many still are."""
    last_busy = time.monotonic()
    while True:
        time.sleep(POLL_S)
        in_flight, now = admin.count_requests(), time.monotonic()
        last_busy = now if in_flight else last_busy
        if now >= end or now - last_busy >= QUIET_S:
            return in_flight
