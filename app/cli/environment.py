"""What `vitrine env` prints: the variables of a cluster's nodes, for a shell, an image or a pod."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping

from app.deployments.haproxy_config import find_program
from app.deployments.serve_environment import list_node_variables, list_serve_variables

_ABOUT_NODES = (
    "Ray reads these when a node starts: set them before `ray start`, the same on every node."
)
_ABOUT_RAY = (
    "RAY_AUTH_TOKEN too: one secret of 64 hexadecimal digits for all nodes (openssl rand -hex 32)."
)
_ABOUT_SERVE = (
    "The processes of Serve read these. Set them there too, or in the Serve config file below "
    "controller_options.runtime_env.env_vars, as deploy/serve.yaml does."
)


_ABOUT_TRACES = (
    "Traces: what is set here, which every replica needs too, in the same places. Headers are not "
    "shown, because they may hold a secret (docs/tracing.md)."
)


def list_environment(
    max_bytes: int, name: str, environment: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """List the lines of one format.

    Args:
        max_bytes: size of the largest upload.
        name: of the format: `dotenv`, `docker` or `kuberay`.
        environment: whose variables of OpenTelemetry are listed too.

    Raises:
        StartupError: `vitrine-haproxy` is not installed here.
    """
    node = list_node_variables()
    serve = list_serve_variables(max_bytes, str(find_program()))
    format_line, more = _FORMATS[name]
    yield from (f"# {_ABOUT_NODES}", *map(format_line, node.items()), *more)
    yield from (f"# {_ABOUT_SERVE}", *map(format_line, serve.items()))
    traces = {one: environment[one] for one in sorted(environment) if one.startswith("OTEL_")}
    if shown := [line for line in traces.items() if not line[0].endswith("_HEADERS")]:
        yield from (f"# {_ABOUT_TRACES}", *map(format_line, shown))


def _format_dotenv(variable: tuple[str, str]) -> str:
    """Format a variable for a shell (`set -a; . ./file`) or a program that reads .env files."""
    name, value = variable
    return f"{name}={shlex.quote(value)}"


def _format_docker(variable: tuple[str, str]) -> str:
    """Format a variable as an instruction of a Dockerfile."""
    name, value = variable
    return f'ENV {name}="{value}"'


def _format_kuberay(variable: tuple[str, str]) -> str:
    """Format a variable as an entry of a container's `env`."""
    name, value = variable
    return f'- {{name: {name}, value: "{value}"}}'


_FORMATS: dict[str, tuple[Callable[[tuple[str, str]], str], tuple[str, ...]]] = {
    "dotenv": (_format_dotenv, (f"# {_ABOUT_RAY}",)),
    "docker": (_format_docker, (f"# {_ABOUT_RAY} Give it to `docker run -e`, not the image.",)),
    "kuberay": (
        _format_kuberay,
        (
            f"# {_ABOUT_RAY} KubeRay sets it from a Secret's key auth_token (authOptions).",
            "# The hashes of clients' keys come from a Secret too, as in deploy/rayservice.yaml:",
            "- {name: VITRINE_API_KEYS, valueFrom: {secretKeyRef: {name: vitrine, key: api_keys}}}",
        ),
    ),
}
