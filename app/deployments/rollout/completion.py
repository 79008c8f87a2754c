"""Serve's variables that a Serve config file leaves out, and that the nodes do not have either."""

from collections.abc import Iterator, Mapping, Sequence

from app.deployments.haproxy_config import BINARY_PATH, PROGRAM
from app.deployments.haproxy_template import METRICS_PORT
from app.deployments.rollout.config import ServeConfig
from app.deployments.rollout.node import NodeReport, read_settings
from app.deployments.serve_environment import list_serve_variables
from app.errors import RolloutError


def find_missing(config: ServeConfig, nodes: Sequence[NodeReport]) -> dict[str, str]:
    """Find the variables that processes of Serve would lack on a node.

    Raises:
        RolloutError: `vitrine-haproxy` is not at the same path on all nodes.
    """
    settings = read_settings(nodes)
    max_bytes = settings.max_bytes
    if not uses_haproxy(config):
        wanted = list_serve_variables(max_bytes, None)
    elif all(one.program for one in nodes):
        wanted = list_serve_variables(max_bytes, nodes[0].program)
    else:
        wanted = list_serve_variables(max_bytes, _find_program(nodes))
        nodes = [NodeReport(one.node, variables=_without_path(one)) for one in nodes]
    missing = {
        name: value
        for name, value in wanted.items()
        if not all(name in one.variables for one in nodes)
    }
    if settings.metrics_port and uses_haproxy(config):
        missing[METRICS_PORT] = str(settings.metrics_port)
    return missing


def uses_haproxy(config: ServeConfig) -> bool:
    """Tell whether HAProxy receives the requests, unless the file says that it does not."""
    return config.serve_variables.get("RAY_SERVE_ENABLE_HA_PROXY", "1") == "1"


def describe_completion(missing: Mapping[str, str]) -> Iterator[str]:
    """Describe what is added to the file."""
    if path := missing.get(BINARY_PATH):
        yield f"added to controller_options: {BINARY_PATH}={path}"
    if others := [name for name in missing if name != BINARY_PATH]:
        yield f"added to controller_options, as `vitrine env` prints them: {', '.join(others)}"


def describe_ignored(wanted: Mapping[str, str], running: Mapping[str, str]) -> Iterator[str]:
    """Describe the variables for which the Serve that runs has another value, and keeps it."""
    if differing := [name for name, value in wanted.items() if running.get(name) != value]:
        yield f"these take effect when Serve is started anew: {', '.join(differing)}"


def _find_program(nodes: Sequence[NodeReport]) -> str:
    """Find the one path of vitrine-haproxy on all nodes."""
    paths = {one.found_program for one in nodes}
    if len(paths) == 1 and "" not in paths:
        return paths.pop()
    found = ", ".join(f"{one.found_program or 'nowhere'} on {one.node}" for one in nodes)
    message = f"{PROGRAM} must be at one path on all nodes, for {BINARY_PATH}. It is {found}."
    raise RolloutError(message)


def _without_path(report: NodeReport) -> dict[str, str]:
    """List the variables of a node without the path, which leads nowhere."""
    return {name: value for name, value in report.variables.items() if name != BINARY_PATH}
