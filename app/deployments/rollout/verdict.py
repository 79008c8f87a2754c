"""What the nodes' reports mean for a Serve config file: the first problem, in one line."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from app.deployments.application import STANDALONE_SETTINGS
from app.deployments.haproxy_config import BINARY_PATH
from app.deployments.rollout.capacity import find_shortage
from app.deployments.rollout.config import ServeConfig
from app.deployments.rollout.demand import count_demand
from app.deployments.rollout.node import NodeReport, read_settings
from app.deployments.self_check import refuse_open_address
from app.deployments.serve_environment import ALIKE, VARIABLES
from app.errors import RolloutError, SettingsError
from app.network import is_loopback

_SAME = [row.name for row in VARIABLES if row.scope in ALIKE and row.name != BINARY_PATH]
"""Variables of which nodes may not have two values; a path may lead to the program on each."""

_OF_NODES = {row.name: row.why for row in VARIABLES if row.scope in {"node", "cluster"}}


def check_nodes(
    config: ServeConfig,
    nodes: Sequence[NodeReport],
    running: Mapping[str, int],
    *,
    may_wait: bool = False,
) -> list[str]:
    """Check what the nodes have.

    Args:
        config: what is to be deployed.
        nodes: what each reported.
        running: replicas that run and are to be replaced, by deployment; empty if none are.
        may_wait: whether replicas may wait for nodes that an autoscaler adds.

    Returns:
        What is worth knowing, a line each.

    Raises:
        RolloutError: the first problem.
    """
    for problem in _find_problems(config, nodes):
        raise RolloutError(problem)
    notes = list(_describe_lacking(nodes))
    demand = count_demand(config, nodes, running)
    shortage = find_shortage(demand, [(one.cpus, one.gpus) for one in nodes])
    if shortage and not may_wait:
        raise RolloutError(_advise(shortage, is_update=bool(running)))
    if shortage:
        notes.append(f"{shortage}: the others wait for nodes")
    if running and not config.find_override("Classifier", "max_surge_percent"):
        notes.append(
            "without max_surge_percent the old classifiers end before new ones start; should "
            "those fail, fewer are left, or none"
        )
    return notes


def _advise(shortage: str, *, is_update: bool) -> str:
    """Advise what to do where the replicas do not fit."""
    surge = "lower max_surge_percent, so that old replicas end first, " if is_update else ""
    return (
        f"The replicas do not fit: {shortage}. Ask for fewer, {surge}or add nodes; where an "
        "autoscaler does that, give --allow-pending."
    )


def _find_problems(config: ServeConfig, nodes: Sequence[NodeReport]) -> Iterator[str]:
    """Find what is wrong, the most basic first."""
    yield from _describe_each("cannot be asked", {one.node: one.error for one in nodes})
    yield from _describe_difference("Vitrine", {one.node: one.package for one in nodes})
    yield from _describe_each("refuses a setting", {one.node: one.settings_error for one in nodes})
    for name in nodes[0].settings.keys() - config.args.keys() - STANDALONE_SETTINGS.keys():
        values = {one.node: one.settings.get(name) for one in nodes}
        yield from _describe_difference(f"VITRINE_{name.upper()}", values)
    yield from _find_lacking(nodes)
    for name in _SAME:
        values = {one.node: one.variables[name] for one in nodes if name in one.variables}
        yield from _describe_difference(name, values)
    yield from _find_exposure(config, nodes)
    yield from _find_unlistenable(config, nodes)
    yield from _describe_each(
        "cannot serve the checkpoint", {one.node: one.checkpoint_error for one in nodes}
    )
    revisions = {one.node: one.checkpoint for one in nodes if one.checkpoint}
    yield from _describe_difference("the checkpoint", revisions)


def _find_unlistenable(config: ServeConfig, nodes: Sequence[NodeReport]) -> Iterator[str]:
    """Find an address that a node does not have, or a port that is taken there."""
    host = config.schema.http_options.host
    for one in nodes:
        if one.host_error:
            yield (
                f"Node {one.node} cannot listen on {host}: {one.host_error}. Set "
                "http_options.host to 0.0.0.0, which every node has."
            )
        for name, reason in one.taken.items():
            yield f"Node {one.node} cannot listen on port {reason}. Set {name} to a free one."


def _describe_each(problem: str, reasons: Mapping[str, str]) -> Iterator[str]:
    """Describe the first node that has a problem, and how many others have one."""
    failed = {node: reason for node, reason in reasons.items() if reason}
    if failed:
        node, reason = next(iter(failed.items()))
        others = f" The same goes for {len(failed) - 1} more." if len(failed) > 1 else ""
        yield f"Node {node} {problem}: {reason.rstrip('.')}.{others}"


def _describe_difference(what: str, values: Mapping[str, object]) -> Iterator[str]:
    """Describe what differs between nodes, and what they have; of keys that is a hash."""
    groups = defaultdict(list)
    for node, value in values.items():
        groups[str(value)].append(node)
    if len(groups) > 1:
        parts = (f"{value} on {', '.join(nodes)}" for value, nodes in groups.items())
        yield f"The nodes differ in {what}: {'; '.join(parts)}. Make them the same."


def _find_lacking(nodes: Sequence[NodeReport]) -> Iterator[str]:
    """Find a variable that some nodes have and others lack."""
    for name, why in _OF_NODES.items():
        lacking = [one.node for one in nodes if name not in one.variables]
        if lacking and len(lacking) < len(nodes):
            yield (
                f"{name} is not set on {', '.join(lacking)} ({why}). Set it there before "
                "`ray start`, as on the other nodes; `vitrine env` lists what to set."
            )


def _describe_lacking(nodes: Sequence[NodeReport]) -> Iterator[str]:
    """Describe the variables that no node has."""
    for name, why in _OF_NODES.items():
        if all(name not in one.variables for one in nodes):
            yield f"no node has {name}, so {why}; `vitrine env` lists what to set."


def _find_exposure(config: ServeConfig, nodes: Sequence[NodeReport]) -> Iterator[str]:
    """Find that the service would be open to others, or that nodes could not reach each other."""
    host = config.schema.http_options.host
    if not (config.args.get("api_keys") or nodes[0].settings.get("api_keys")):
        try:
            refuse_open_address(read_settings(nodes), host)
        except SettingsError as exc:
            yield str(exc)
    if is_loopback(host) and len(nodes) > 1:
        yield (
            f"http_options.host is {host}, but the cluster has {len(nodes)} nodes, which reach "
            "each other's replicas there. Set it to 0.0.0.0."
        )
