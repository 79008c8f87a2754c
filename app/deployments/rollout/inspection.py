"""The job that asks every node of the cluster; `python -m` runs it in the cluster, on the head.

Its last line is JSON, a list of reports. `Cluster.inspect` submits it and reads that.
"""

import json
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TypedDict

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from app.deployments.rollout.node import NodeQuestion, NodeReport, describe_node

MARK = "vitrine-inspection "

_HEAD = "node:__internal_head__"
"""The resource that Ray gives the head node, and Serve looks for."""


class RayNode(TypedDict):
    """A node, of the members of `ray.nodes()` that are used here."""

    NodeID: str
    NodeManagerAddress: str
    Alive: bool
    Resources: dict[str, float]


def parse_reports(logs: str) -> list[NodeReport]:
    """Parse what the job wrote; none if it did not come so far."""
    for line in reversed(logs.splitlines()):
        if line.startswith(MARK):
            return [NodeReport(**node) for node in json.loads(line.removeprefix(MARK))]
    return []


def ask_nodes(question: NodeQuestion, timeout_s: float) -> list[NodeReport]:
    """Ask every node that is alive, for at most `timeout_s`."""
    nodes: list[RayNode] = [node for node in ray.nodes() if node["Alive"]]
    with_gpus = any("GPU" in node["Resources"] for node in nodes)
    tasks = {}
    for node in nodes:
        own = select_question(question, node["Resources"], with_gpus=with_gpus)
        tasks[_ask(node["NodeID"], own)] = node
    done, _ = ray.wait(list(tasks), num_returns=len(tasks), timeout=timeout_s)
    reports = [_read_report(node, task if task in done else None) for task, node in tasks.items()]
    return _tell_apart(reports)


def select_question(
    question: NodeQuestion, resources: Mapping[str, float], *, with_gpus: bool
) -> NodeQuestion:
    """Select what one node is asked, by its resources: what will run there, and what listens.

    Args:
        question: for all nodes.
        resources: of the node, as Ray counts them.
        with_gpus: whether any node has GPUs.
    """
    on_gpus = with_gpus and question.args.get("device") != "cpu"
    loads_model = "GPU" in resources if on_gpus else resources.get("CPU", 0) >= 1
    own = replace(question, loads_model=loads_model)
    if own.proxies == "EveryNode" or (own.proxies == "HeadOnly" and _HEAD in resources):
        return own
    return replace(own, host=own.replica_host, ports={})


def give_reason(exc: Exception) -> str:
    """Give the last line of what an error says; its type where it says nothing."""
    lines = str(exc).strip().splitlines() or [type(exc).__name__]
    return lines[-1].strip()


def _ask(node_id: str, question: NodeQuestion) -> ray.ObjectRef:
    """Start the task on one node, which takes none of its resources."""
    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(describe_node)
    return task.remote(question)


def _read_report(node: RayNode, task: ray.ObjectRef | None) -> NodeReport:
    """Read the report of a node, or why there is none."""
    resources = node["Resources"]
    report = NodeReport(
        node["NodeManagerAddress"], resources.get("CPU", 0), resources.get("GPU", 0)
    )
    if task is None:
        return replace(report, error="it does not answer in time")
    try:
        return replace(report, **ray.get(task))
    except RayError as exc:
        reason = give_reason(exc)
        if "No module named 'app" in reason:
            reason += " It has no Vitrine, or an older one."
        return replace(report, error=reason)


def _tell_apart(reports: Sequence[NodeReport]) -> list[NodeReport]:
    """Number the nodes that share an address."""
    counts = Counter(one.node for one in reports)
    return [
        replace(one, node=f"{one.node}#{number}") if counts[one.node] > 1 else one
        for number, one in enumerate(reports, 1)
    ]


def main() -> None:
    """Ask the nodes what the arguments say: the question as JSON, and the time in seconds."""
    question, timeout_s = NodeQuestion(**json.loads(sys.argv[1])), float(sys.argv[2])
    ray.init(log_to_driver=False, logging_level=logging.ERROR)
    reports = [asdict(one) for one in ask_nodes(question, timeout_s)]
    sys.stdout.write(f"{MARK}{json.dumps(reports)}\n")


if __name__ == "__main__":
    main()
