"""What the nodes' reports mean for a Serve config file: the first problem, in one line."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from app.deployments.application import STANDALONE_SETTINGS
from app.deployments.autoscaling import choose_classifier_replicas, choose_ingress_replicas
from app.deployments.rollout.capacity import Demand, find_shortage
from app.deployments.rollout.config import ServeConfig
from app.deployments.rollout.node import NodeReport, read_settings
from app.deployments.self_check import refuse_open_address
from app.deployments.serve_environment import VARIABLES
from app.errors import RolloutError, SettingsError
from app.network import is_loopback

_OF_NODES = {row.name: row.why for row in VARIABLES if row.scope == "node"}


def check_nodes(
    config: ServeConfig, nodes: Sequence[NodeReport], *, is_update: bool, may_wait: bool = False
) -> list[str]:
    """Check what the nodes have.

    Args:
        config: what is to be deployed.
        nodes: what each reported.
        is_update: whether replicas that run are to be replaced.
        may_wait: whether replicas may wait for nodes that an autoscaler adds.

    Returns:
        What is worth knowing, a line each.

    Raises:
        RolloutError: the first problem.
    """
    for problem in _find_problems(config, nodes):
        raise RolloutError(problem)
    notes = list(_describe_lacking(nodes))
    shortage = find_shortage(
        count_demand(config, nodes, is_update=is_update), [(one.cpus, one.gpus) for one in nodes]
    )
    if shortage and not may_wait:
        surge = "lower max_surge_percent, so that old replicas end first, " if is_update else ""
        message = (
            f"The replicas do not fit: {shortage}. Ask for fewer, {surge}or add nodes; where an "
            "autoscaler does that, give --allow-pending."
        )
        raise RolloutError(message)
    if shortage:
        notes.append(f"{shortage}: the others wait for nodes")
    if is_update and not config.find_override("Classifier", "max_surge_percent"):
        notes.append(
            "without max_surge_percent the old classifiers end before new ones start; should "
            "those fail, fewer are left, or none"
        )
    return notes


def count_demand(config: ServeConfig, nodes: Sequence[NodeReport], *, is_update: bool) -> Demand:
    """Count the replicas that must run at once for the rollout to end, and their GPUs."""
    settings = read_settings(nodes)
    options = {
        "Ingress": choose_ingress_replicas(settings),
        "Classifier": choose_classifier_replicas(settings),
    }
    ingresses, classifiers = (
        _count_replicas(config, name, one, is_update=is_update) for name, one in options.items()
    )
    has_gpus = any(node.gpus for node in nodes)
    on_gpus = settings.device == "cuda" or (settings.device == "auto" and has_gpus)
    gpus = config.find_override("Classifier", "num_gpus")
    if gpus is None:
        gpus = settings.gpus_per_replica if on_gpus else 0
    cpus = config.find_override("Classifier", "num_cpus")
    return Demand(ingresses, classifiers, 1 if cpus is None else cpus, gpus)


def _count_replicas(
    config: ServeConfig, name: str, options: Mapping[str, object], *, is_update: bool
) -> int:
    """Count the replicas of a deployment that must start, with those of the surge of an update."""
    count = config.find_override(name, "num_replicas") or options.get("num_replicas")
    if count is None:
        bounds = options["autoscaling_config"]
        count = getattr(bounds, "initial_replicas", None) or getattr(bounds, "min_replicas", 1)
    replicas = int(str(count))
    surge = int(config.find_override(name, "max_surge_percent") or 0)
    return replicas + (surge * replicas + 99) // 100 * is_update


def _find_problems(config: ServeConfig, nodes: Sequence[NodeReport]) -> Iterator[str]:
    """Find what is wrong, the most basic first."""
    yield from _describe_each("cannot be asked", {one.node: one.error for one in nodes})
    yield from _describe_difference("Vitrine", {one.node: one.package for one in nodes})
    yield from _describe_each("refuses a setting", {one.node: one.settings_error for one in nodes})
    for name in nodes[0].settings.keys() - config.args.keys() - STANDALONE_SETTINGS.keys():
        values = {one.node: one.settings.get(name) for one in nodes}
        yield from _describe_difference(f"VITRINE_{name.upper()}", values)
    yield from _find_lacking(nodes)
    yield from _find_exposure(config, nodes)
    for one in nodes:
        for name, reason in one.taken.items():
            yield f"Node {one.node} cannot listen on port {reason}. Set {name} to a free one."
    yield from _describe_each(
        "cannot serve the checkpoint", {one.node: one.checkpoint_error for one in nodes}
    )
    revisions = {one.node: one.checkpoint for one in nodes if one.checkpoint}
    yield from _describe_difference("the checkpoint", revisions)


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
