"""Close HAProxy's door and wait for the requests that are inside.

Serve ends HAProxy at once, and with it every request that it holds.
"""

import contextlib
import csv
import os
import signal
import socket
import time
from pathlib import Path

DRAIN_S = 15.0
"""Seconds that requests in flight get when the service stops."""

QUIET_S = 0.5
"""Seconds without a request until none is expected on the connections that are open."""

POLL_S = 0.05
PROMPT = b"\n> "


def drain(folder: Path, within_s: float = DRAIN_S) -> int:
    """Take no new connection, and wait until all that has begun is answered.

    On SIGUSR1 HAProxy closes its listeners, the one of its admin socket too, and each connection
    with its next answer; a conversation on the admin socket goes on.

    Args:
        folder: private to this service; HAProxy's admin socket lies in it. None: nothing is done.
        within_s: seconds to wait at most.

    Returns:
        How many requests were still in flight when the time was up.
    """
    waiting = 0
    for path in folder.glob("*/admin.sock"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(within_s)
            admin.connect(str(path))
            _ask(admin, "prompt")
            os.kill(_read_pid(_ask(admin, "show info")), signal.SIGUSR1)
            waiting = _wait_until_quiet(admin, within_s)
    return waiting


def _wait_until_quiet(admin: socket.socket, within_s: float) -> int:
    """Wait until no request has been in flight for a while; return how many still are."""
    now = time.monotonic()
    end, busy, waiting = now + within_s, now, 0
    while now < end and now - busy < QUIET_S:
        time.sleep(POLL_S)
        now = time.monotonic()
        if waiting := _count_requests(_ask(admin, "show stat")):
            busy = now
    return waiting


def _ask(admin: socket.socket, command: str) -> str:
    """Give a command and return the answer."""
    admin.sendall(f"{command}\n".encode())
    answer = b""
    while not answer.endswith(PROMPT):
        if not (data := admin.recv(1 << 16)):
            raise ConnectionError("HAProxy hung up.")
        answer += data
    return answer.removesuffix(PROMPT).decode()


def _read_pid(info: str) -> int:
    """Find the process id among what HAProxy tells of itself."""
    return next(int(line.split()[1]) for line in info.splitlines() if line.startswith("Pid:"))


def _count_requests(statistics: str) -> int:
    """Count the requests that wait for an answer of any server."""
    rows = csv.DictReader(statistics.strip("# \n").splitlines())
    return sum(int(row["scur"]) for row in rows if row["svname"] == "BACKEND")
