"""Deploy a Serve config file: check it, ask the nodes, have Serve deploy it, follow it to the end.

Whatever serves goes on until Serve has the file; what is refused before changes nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.deployments.haproxy_template import METRICS_PORT
from app.deployments.rollout.completion import (
    describe_completion,
    describe_ignored,
    find_missing,
    uses_haproxy,
)
from app.deployments.rollout.config import ServeConfig, read_config
from app.deployments.rollout.dashboard import Cluster
from app.deployments.rollout.node import NodeQuestion
from app.deployments.rollout.progress import Rollout, ServeDetails
from app.deployments.rollout.running import check_options, count_replaced, describe_deleted
from app.deployments.rollout.verdict import check_nodes
from app.errors import RolloutError
from app.network import LOOPBACK

POLL_S = 0.5

PATIENCE_S = 15.0
"""Seconds for which the cluster may not answer while a rollout is followed."""


@dataclass(frozen=True)
class RolloutOptions:
    """How a file is deployed.

    Attributes:
        address: of the dashboard of the head node, such as `http://HEAD:8265`.
        timeout_s: seconds for the nodes to answer, and again for the rollout.
        may_wait: whether replicas may wait for nodes that an autoscaler adds.
    """

    address: str
    timeout_s: float
    may_wait: bool = False


def deploy_config(path: Path, options: RolloutOptions, write: Callable[[str], None]) -> None:
    """Deploy a Serve config file and wait until it serves.

    Args:
        path: of the file.
        options: where, and how long.
        write: takes each line of progress.

    Raises:
        StartupError: it is refused, failed or is not complete in time.
    """
    started = time.monotonic()

    def tell(line: str) -> None:
        write(f"[{time.monotonic() - started:5.1f} s] {line}")

    config = read_config(path)
    cluster = Cluster(options.address)
    before = cluster.read_details()
    check_options(config, before)
    question = make_question(config, before)
    nodes = cluster.inspect(question, config.runtime_env, options.timeout_s)
    running = count_replaced(config, before)
    notes = check_nodes(config, nodes, running, may_wait=options.may_wait)
    missing = find_missing(config, nodes)
    tell(f"checked {', '.join(one.node for one in nodes)}")
    notes += _describe_variables(cluster, config, before, missing)
    for note in (*notes, *describe_deleted(config, before)):
        tell(f"note: {note}")
    cluster.deploy(config.complete(missing))
    names = [one.name for one in config.schema.applications]
    follow_rollout(cluster, Rollout(names, before), options.timeout_s, tell)


def follow_rollout(
    cluster: Cluster, rollout: Rollout, timeout_s: float, tell: Callable[[str], None]
) -> None:
    """Tell of each change until the rollout is complete.

    Raises:
        RolloutError: it failed, is not complete in time, or the cluster answers no more.
    """
    deadline, last = time.monotonic() + timeout_s, ""
    while True:
        details = _read_patiently(cluster)
        line = rollout.describe(details)
        if line != last:
            tell(line)
        if rollout.is_complete(details):
            tell("serving")
            return
        if failure := rollout.find_failure(details):
            raise RolloutError(failure)
        if time.monotonic() > deadline:
            message = f"Not complete after {timeout_s:g} s: {line}. The rollout goes on."
            raise RolloutError(message)
        last = line
        time.sleep(POLL_S)


def _read_patiently(cluster: Cluster) -> ServeDetails:
    """Read what Serve tells of itself, when it does; raises RolloutError after a while."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return cluster.read_details()
        except RolloutError as exc:
            if time.monotonic() > deadline:
                raise RolloutError(f"{exc} The rollout goes on.") from exc
        time.sleep(POLL_S)


def make_question(config: ServeConfig, before: ServeDetails) -> NodeQuestion:
    """Make the question for the nodes; about no address where Serve runs already and has it.

    A job keeps the question, so the keys stay here.
    """
    args = {name: value for name, value in config.args.items() if name != "api_keys"}
    if before["controller_info"]:
        return NodeQuestion(args)
    host = config.schema.http_options.host
    return NodeQuestion(
        args,
        host,
        _list_ports(config),
        replica_host=host if uses_haproxy(config) else "",
        proxies=config.schema.proxy_location.value,
    )


def _list_ports(config: ServeConfig) -> dict[str, tuple[str, int]]:
    """List the ports that must be free where a proxy will be."""
    http, grpc = config.schema.http_options, config.schema.grpc_options
    ports = {"http_options.port": (http.host, http.port)}
    if grpc.grpc_servicer_functions:
        ports["grpc_options.port"] = (http.host, grpc.port)
    if uses_haproxy(config):
        if isinstance(port := config.args.get("metrics_port"), int):
            ports[METRICS_PORT] = (http.host, port)
        ports["RAY_SERVE_HAPROXY_METRICS_PORT"] = (LOOPBACK, 9101)
        ports["RAY_SERVE_HAPROXY_STATS_PORT"] = (LOOPBACK, 8404)
    return ports


def _describe_variables(
    cluster: Cluster, config: ServeConfig, before: ServeDetails, missing: dict[str, str]
) -> list[str]:
    """Describe what is added for Serve's processes, or what the Serve that runs does not take."""
    if not before["controller_info"]:
        return list(describe_completion(missing))
    return list(describe_ignored(config.serve_variables | missing, cluster.read_variables(before)))
