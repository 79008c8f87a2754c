"""HAProxy's configuration: the template haproxy.cfg, rendered with the file that Serve writes."""

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from app.deployments.haproxy_pages import OVERLOADED
from app.errors import StartupError
from app.network import format_address

MAX_CALLS = 1024
"""gRPC calls in flight for each ingress replica: what one process answers in a second or two."""

METRICS_PORT = "HAPROXY_VITRINE_METRICS_PORT"
"""Variable with the port for /metrics alone."""

Sections = dict[str, list[str]]
"""The lines of a configuration by section, such as `backend http-vitrine`."""

_TEMPLATE = Path(__file__).with_name("haproxy.cfg")
_DEFAULT_LOG, _OWN_LOG = "log 127.0.0.1:514 ", "log fd@"
_REFUSALS = "@refusals "


def render(text: str, folder: Path, refusals: int | None = None) -> str:
    """Render the template with the text of Serve's file; see `write_configuration`.

    Where HAProxy logs each request elsewhere, refusals are logged there too, and only there.
    """
    serve, template = parse_sections(text), parse_sections(_TEMPLATE.read_text("utf-8"))
    if (port := os.environ.get(METRICS_PORT)) and "backend http-vitrine" in serve:
        serve["frontend vitrine_metrics"] = [f"bind *:{port}"]
    others = [name for name in serve if name not in template]
    if unknown := [name for name in others if not name.startswith("backend ")]:
        raise StartupError(f"Serve's file has a section that is not known: {unknown[0]!r}.")
    known = {"folder": str(folder)}
    if refusals is not None and not any(map(_names_target, itertools.chain(*serve.values()))):
        known["refusals"] = str(refusals)
    lines = []
    for name, own in template.items():
        for found in others if name == "backend *" else {name} & serve.keys():
            values = _read_values(serve[found]) | known
            lines += [found, *(f"    {line}" for line in _fill(own, serve[found], values))]
    return "\n".join((*lines, ""))


def parse_sections(text: str) -> Sections:
    """Parse a configuration: a line that is not indented begins a section."""
    sections: Sections = {}
    section: list[str] = []
    for line in text.splitlines():
        words = line.strip()
        if not words or words.startswith(("#", _DEFAULT_LOG, _OWN_LOG)):
            continue
        if line[0].isspace():
            section.append(words)
        else:
            section = sections[words] = []
    return sections


def _fill(template: Sequence[str], serve: Sequence[str], values: dict[str, str]) -> Iterator[str]:
    """Fill a section of the template from the same section of Serve's file."""
    own = [_substitute(line, values) for line in _choose(template, values)]
    for line in own:
        if line.startswith("@serve"):
            words, _, more = line.partition(" |")
            start = words.split()[1:]
            for other in serve:
                if other.split()[: len(start)] == start and other not in own:  # rendered twice
                    yield other.removesuffix(more) + more
        else:
            yield line


def _choose(template: Sequence[str], values: dict[str, str]) -> Iterator[str]:
    """Leave out the lines for refusals where none are logged."""
    for line in template:
        if "refusals" in values or not line.startswith(_REFUSALS):
            yield line.removeprefix(_REFUSALS)


def _names_target(line: str) -> bool:
    """Tell whether a line of Serve's file names a target of HAProxy's log."""
    return line.startswith("log ") and line != "log global"


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
