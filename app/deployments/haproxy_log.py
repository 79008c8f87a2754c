"""The process that logs what HAProxy refuses: `vitrine-haproxy` forks it, then becomes HAProxy.

HAProxy writes a short line for each request that no replica has answered into a pipe; this process
reads it, and logs one line a second for each kind. It ends when HAProxy does. HAProxy never waits:
a line is lost where the pipe is full, which takes some 20,000, and, seldom, where another of its
threads is kept from its own write (`fd_write_frag_line` in HAProxy's src/fd.c tries 200 times). The
exact count is `vitrine_proxy_refusals_total`.
"""

import contextlib
import fcntl
import logging
import os
import select
import signal
import time
from pathlib import Path
from typing import Never

from app.deployments.haproxy_refusals import RefusalCount
from app.observability.logs import LogFormat, configure_logging

INTERVAL_S = 1.0
"""Seconds between two lines of a kind."""

PAUSE_S = 0.05
"""Seconds between two reads, so that many lines are counted at once."""

PIPE_BYTES = 1 << 20

_PIPE, _FORMAT, _LEVEL = "HAPROXY_VITRINE_LOG", "VITRINE_LOG_FORMAT", "VITRINE_LOG_LEVEL"


def list_log_variables(pipe: Path, style: LogFormat, level: str) -> dict[str, str]:
    """List the variables that say where and how it logs; on a cluster the last two may be set."""
    return {_PIPE: str(pipe), _FORMAT: style, _LEVEL: level}


def start_reader() -> int | None:
    """Fork the process; gives the descriptor to write to, or None where no access is logged."""
    if os.environ.get(_LEVEL, "info").lower() not in {"debug", "info"}:
        return None
    reading, writing = os.pipe()
    with contextlib.suppress(OSError):  # this user has too much memory in pipes already
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    parent = os.getppid()
    if os.fork() == 0:
        os.close(writing)
        _run(reading, parent)
    os.close(reading)
    os.set_inheritable(writing, True)  # noqa: FBT003 - it has no name
    return writing


def follow(pipe: int) -> None:
    """Log what comes through a pipe, until all who may write to it have ended."""
    rest = b""
    while data := os.read(pipe, PIPE_BYTES):
        refusals, until = RefusalCount(), time.monotonic() + INTERVAL_S
        while data:
            *lines, rest = (rest + data).split(b"\n")
            refusals.add(lines)
            data = _read_until(pipe, until)
        refusals.log()


def _run(pipe: int, parent: int) -> Never:
    """Log until HAProxy has ended, whatever signal comes to all processes before, and end."""
    try:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        _configure(parent)
        follow(pipe)
        logging.shutdown()
    finally:
        os._exit(0)


def _configure(parent: int) -> None:
    """Log where the replicas of this node do.

    That is the pipe of `vitrine serve`. On a cluster it is a file in which Ray keeps the standard
    error of a process: here of Serve's HAProxyManager, which is the parent.
    """
    pipe = os.environ.get(_PIPE)
    if pipe is None:
        with contextlib.suppress(OSError):  # it is a socket; HAProxy's own file takes the lines
            os.dup2(os.open(f"/proc/{parent}/fd/2", os.O_WRONLY | os.O_APPEND), 2)
    style: LogFormat = "text" if os.environ.get(_FORMAT) == "text" else "json"
    configure_logging(style, "info", Path(pipe) if pipe else None)


def _read_until(pipe: int, until: float) -> bytes:
    """Read what comes before a time of the monotonic clock; nothing then, or at the end."""
    time.sleep(max(0.0, min(PAUSE_S, until - time.monotonic())))
    left_s = until - time.monotonic()
    is_ready = left_s > 0 and select.select([pipe], [], [], left_s)[0]
    return os.read(pipe, PIPE_BYTES) if is_ready else b""
