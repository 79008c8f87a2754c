"""Whether the replicas of a rollout fit into a cluster. Numbers come in; it knows no Ray."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Demand:
    """Replicas that must run at once.

    Attributes:
        ingresses: how many read images; each takes one CPU.
        classifiers: how many run the model.
        cpus_each: what a classifier takes.
        gpus_each: the same.
    """

    ingresses: int
    classifiers: int
    cpus_each: float = 1
    gpus_each: float = 0

    @property
    def cpus(self) -> float:
        """CPUs of all of them."""
        return self.ingresses + self.classifiers * self.cpus_each

    @property
    def gpus(self) -> float:
        """GPUs of all of them."""
        return self.classifiers * self.gpus_each


def find_shortage(demand: Demand, nodes: Sequence[tuple[float, float]]) -> str | None:
    """Find what the nodes lack.

    Args:
        demand: what must run.
        nodes: CPUs and GPUs of each.

    Returns:
        What is asked for and what is there; None if all replicas fit.
    """
    fits = sum(_count_classifiers(demand, *node) for node in nodes) >= demand.classifiers
    if fits and sum(int(cpus) for cpus, _ in nodes) >= demand.cpus:
        return None
    cpus, gpus = (sum(values) for values in zip(*nodes, strict=True))
    asked, there = (_format_resources(*pair) for pair in ((demand.cpus, demand.gpus), (cpus, gpus)))
    return f"{asked} are needed at once, and the nodes have {there}"


def _count_classifiers(demand: Demand, cpus: float, gpus: float) -> int:
    """Count the classifiers that a node has room for; a share of a GPU is on one GPU."""
    rooms: list[float] = [demand.classifiers]
    if demand.cpus_each:
        rooms.append(cpus / demand.cpus_each)
    if demand.gpus_each > 1:
        rooms.append(gpus / demand.gpus_each)
    elif demand.gpus_each:
        rooms.append(int(gpus) * math.floor(1 / demand.gpus_each + 1e-9))
    return int(min(rooms))


def _format_resources(cpus: float, gpus: float) -> str:
    """Format CPUs and GPUs."""
    return f"{cpus:g} CPUs and {gpus:g} GPUs"
