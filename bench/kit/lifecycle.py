"""One start and one end of a server: the seconds each takes, and that nothing of it is left.

Knows no server by name and no load.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench.kit.images import Picture
from bench.kit.processes import find_alive, find_tree
from bench.kit.servers import ROOT, BenchError, Server, ask, read_environment

START_LIMIT_S = 120.0
POLL_S = 0.1
LOG_TAIL = LOG_KEPT = 20
PROGRESS = re.compile(r"\b\d+\.\d+ ?s\b")  # the time gone by, with or without a tag before it


@dataclass
class Running:
    """A server that has answered; the last three fields are known once it has been stopped."""

    server: Server
    pid: int
    health_s: float
    first_answer_s: float
    start_log: list[str] = field(default_factory=list)
    stop_s: float = 0.0
    left: int = 0


def spawn(server: Server, log: IO[str]) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own, away from Vitrine's settings in our shell."""
    return subprocess.Popen(
        server.command,
        cwd=ROOT,
        env=read_environment() | dict(server.env),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def read_log(log: IO[str]) -> list[str]:
    """Return the lines so far, without the folder of this checkout or of its venv."""
    text = Path(log.name).read_text(errors="replace")
    return text.replace(sys.prefix, "<venv>").replace(str(ROOT), ".").splitlines()


def read_progress(log: IO[str]) -> list[str]:
    """Return the lines so far that tell the time gone by, as they are."""
    return [line for line in read_log(log) if PROGRESS.search(line)]


def wait_for(
    url: str, process: subprocess.Popen[bytes], log: IO[str], picture: Picture | None = None
) -> None:
    """Return at the first 200; a server that dies or takes too long is an error with its log."""
    limit = time.monotonic() + START_LIMIT_S
    while ask(url, picture) is None:
        if process.poll() is not None or time.monotonic() > limit:
            tail = "\n".join(read_log(log)[-LOG_TAIL:])
            raise BenchError(f"{url} gave no 200 (exit status {process.poll()}):\n{tail}")
        time.sleep(POLL_S)


def stop(server: Server, process: subprocess.Popen[bytes]) -> tuple[float, int]:
    """Ask the server to end; return the seconds it took and how many processes outlived that."""
    tree, started = find_tree(process.pid), time.monotonic()
    process.send_signal(server.stop_signal)
    while (left := find_alive(tree)) and time.monotonic() - started < server.stop_limit_s:
        process.poll()
        time.sleep(POLL_S)
    seconds = time.monotonic() - started
    for survivor in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(survivor.pid, signal.SIGKILL)
    process.wait()
    return seconds, len(left)


@contextlib.contextmanager
def run_server(server: Server, picture: Picture) -> Iterator[Running]:
    """Start the server, hand it out once it has classified the picture, and stop it."""
    with tempfile.NamedTemporaryFile("w", prefix="vitrine-bench-", suffix=".log") as log:
        started = time.monotonic()
        process = spawn(server, log)
        running = Running(server, process.pid, 0.0, 0.0)
        try:
            wait_for(f"{server.url}/health", process, log)
            running.health_s = time.monotonic() - started
            wait_for(f"{server.url}/predict", process, log, picture)
            running.first_answer_s = time.monotonic() - started
            yield running
        finally:
            running.stop_s, running.left = stop(server, process)
            running.start_log = read_progress(log)[:LOG_KEPT]
