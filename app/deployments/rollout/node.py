"""What one node has that a rollout needs. It runs on the node, as a task, and imports no Ray."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import ValidationError

from app.classifier.opening import open_configured
from app.deployments.haproxy_config import BINARY_PATH, PROGRAM, find_program
from app.deployments.serve_environment import ALIKE, VARIABLES
from app.errors import CheckpointError, StartupError
from app.network import ANY_PORT, find_port_error
from app.settings import Settings
from app.settings.refusal import describe_refusal


@dataclass(frozen=True)
class NodeQuestion:
    """What a node is asked about.

    Attributes:
        args: settings by name, without keys.
        host: address that must be the node's, where a proxy will be; empty if nothing listens anew.
        ports: hosts and ports that must be free there, by the option or variable that sets each.
        replica_host: the host for a node without a proxy: replicas listen there behind HAProxy.
        proxies: on which nodes proxies will be, as Serve's `proxy_location` says it.
        loads_model: whether a classifier may run there, which needs the checkpoint.
    """

    args: Mapping[str, object]
    host: str = ""
    ports: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    replica_host: str = ""
    proxies: str = "EveryNode"
    loads_model: bool = True


@dataclass(frozen=True)
class NodeReport:
    """What a node has.

    Attributes:
        node: its name.
        cpus: how many Ray counts there.
        gpus: the same.
        error: why it could not be asked; nothing below is known then.
        package: version of Vitrine and a hash of its sources.
        variables: Ray's and Serve's variables that a replica would have there; no secrets.
        program: path of vitrine-haproxy that Serve is told of, if it is there.
        found_program: where vitrine-haproxy is.
        settings: what the settings are there, and a hash in the place of the keys.
        settings_error: what is wrong with them.
        checkpoint: its revision.
        checkpoint_error: why it cannot be served.
        host_error: why nothing can listen on the host.
        taken: ports that are not free, by what sets each, with the reason.
    """

    node: str
    cpus: float = 0
    gpus: float = 0
    error: str = ""
    package: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    program: str = ""
    found_program: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    settings_error: str = ""
    checkpoint: str = ""
    checkpoint_error: str = ""
    host_error: str = ""
    taken: Mapping[str, str] = field(default_factory=dict)


def read_settings(nodes: Sequence[NodeReport]) -> Settings:
    """Give the settings that `build` will read on any of the nodes, without the keys."""
    settings = {name: value for name, value in nodes[0].settings.items() if name != "api_keys"}
    return Settings.model_construct(None, **settings)


def describe_node(question: NodeQuestion) -> dict[str, object]:
    """Describe this node, by the names of `NodeReport`, for another process."""
    settings, error = _read_settings(question.args)
    found: dict[str, object] = {
        "package": _describe_package(),
        "variables": dict(_list_variables()),
        "program": _find_configured_program(),
        "found_program": _find_installed_program(),
        "settings_error": error,
        "host_error": question.host and (find_port_error(question.host, ANY_PORT) or ""),
        "taken": dict(_list_taken(question)),
    }
    if settings is not None:
        found["settings"] = _hide_keys(settings)
        if question.loads_model:
            found |= _open_checkpoint(settings)
    return found


def _read_settings(args: Mapping[str, object]) -> tuple[Settings | None, str]:
    """Read the settings as `build` would here; or what is wrong with them."""
    try:
        return Settings(**args), ""  # type: ignore[arg-type] # validated right here
    except ValidationError as exc:
        name, problem = describe_refusal(exc)
        return None, f"VITRINE_{name.upper()}: {problem}"


def _hide_keys(settings: Settings) -> dict[str, object]:
    """List the settings; a hash of the keys' hashes tells whether nodes have the same ones."""
    found = settings.model_dump(mode="json")
    if settings.api_keys:
        keys = settings.api_keys.get_secret_value()
        found["api_keys"] = hashlib.sha256(keys.encode()).hexdigest()
    return found


def _open_checkpoint(settings: Settings) -> dict[str, str]:
    """Open the checkpoint; gives its revision, or why it cannot be served."""
    try:
        found = open_configured(settings)
    except CheckpointError as exc:
        return {"checkpoint_error": str(exc)}
    return {"checkpoint": found.revision}


def _describe_package() -> str:
    """Give the version of Vitrine and a hash of its sources, which tells what the version hides."""
    root, total = Path(__file__).parents[3], hashlib.sha256()
    files = [*root.glob("app/**/*"), *root.glob("schemas/**/*")]
    for path in sorted(one for one in files if one.suffix in {".py", ".cfg"}):
        total.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    name = "unknown version"
    with contextlib.suppress(PackageNotFoundError):  # the sources alone are on the path
        name = version("vitrine")
    return f"{name} ({total.hexdigest()[:8]})"


def _find_configured_program() -> str:
    """Find the program that Serve is told to start as HAProxy, if it is ours and is there."""
    path = os.environ.get(BINARY_PATH, "")
    return path if Path(path).name == PROGRAM and os.access(path, os.X_OK) else ""


def _find_installed_program() -> str:
    """Find vitrine-haproxy."""
    try:
        return str(find_program())
    except StartupError:
        return ""


def _list_variables() -> Iterator[tuple[str, str]]:
    """List the variables that all nodes need, with their values; secrets are none of them."""
    for row in VARIABLES:
        if row.scope in ALIKE and row.name in os.environ:
            yield row.name, os.environ[row.name]


def _list_taken(question: NodeQuestion) -> Iterator[tuple[str, str]]:
    """List the ports that are not free, and why; a variable's own value comes first."""
    for name, (host, default) in question.ports.items():
        port = int(os.environ.get(name, default))
        if reason := find_port_error(host, port):
            yield name, f"{port}: {reason}"
