"""Close HAProxy's door and wait for the requests that are inside.

Serve ends HAProxy at once, and with it every request that it holds.
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
"""Seconds without a request until none is expected on the connections that are open."""

POLL_S = 0.05
PROMPT = b"\n> "
_TROUBLES = (OSError, LookupError, ValueError)
"""Of a HAProxy that is not there, hangs up, is silent or says what is not understood."""


def drain(folder: Path, timeout_s: float = DRAIN_S) -> int:
    """Take no new connection, and wait until all that has begun is answered.

    On SIGUSR1 HAProxy closes its listeners, the one of its admin socket too, and each connection
    with its next answer; a conversation on the admin socket goes on.

    Args:
        folder: private to this service; HAProxy's admin socket lies in it. None: nothing is done.
        timeout_s: seconds to wait at most.

    Returns:
        How many requests were still in flight when the time was up.
    """
    waiting = 0
    end = time.monotonic() + timeout_s
    for path in folder.glob("*/admin.sock"):
        with contextlib.suppress(*_TROUBLES), _Admin(path, end) as admin:
            os.kill(admin.read_pid(), signal.SIGUSR1)
            waiting = _wait_until_quiet(admin, end)
    return waiting


class _Admin:
    """A conversation with HAProxy, until a time of the monotonic clock; raises _TROUBLES."""

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
        """Ask for its process id."""
        facts = dict(line.partition(": ")[::2] for line in self._ask("show info").splitlines())
        return int(facts["Pid"])

    def count_requests(self) -> int:
        """Count the requests that have begun; a connection that waits for one has none."""
        sessions = self._ask("show sess")
        return sum(sessions.count(f" fe={name}_frontend ") for name in ("http", "grpc"))

    def _ask(self, command: str) -> str:
        """Give a command and return the answer."""
        self._socket.settimeout(max(POLL_S, self._end - time.monotonic()))
        self._socket.sendall(f"{command}\n".encode())
        answer = b""
        while not answer.endswith(PROMPT):
            if not (data := self._socket.recv(1 << 16)):
                raise ConnectionError("HAProxy hung up.")
            answer += data
        return answer.removesuffix(PROMPT).decode()


def _wait_until_quiet(admin: _Admin, end: float) -> int:
    """Wait until no request has been in flight for a while; return how many still are."""
    busy = time.monotonic()
    while True:
        time.sleep(POLL_S)
        waiting, now = admin.count_requests(), time.monotonic()
        busy = now if waiting else busy
        if now >= end or now - busy >= QUIET_S:
            return waiting
