"""The actors of a job, planned from the machines of its Ray."""

from dataclasses import dataclass

from app.errors import StartupError

CORES_PER_ACTOR = 8
"""Cores of an actor without a GPU: one engine uses so many well, and a machine that has more runs
several."""

MIN_USED = 0.9
"""Share of the cores that could be used which must be."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The actors of a job.

    Attributes:
        actors: how many.
        cpus: of each.
        gpus: of each.
        sharing: how many may be on one machine.
    """

    actors: int
    cpus: int
    gpus: int
    sharing: int


def plan_pool(nodes: list[dict[str, float]], parts: int, *, uses_gpu: bool) -> Pool:
    """Plan the actors so that no core and no GPU is taken twice.

    Args:
        nodes: resources of each machine, as Ray names them.
        parts: that are to be scored.
        uses_gpu: whether the model may run on a GPU.

    Raises:
        StartupError: no machine has a free core.
    """
    gpus = [int(node.get("GPU", 0)) for node in nodes] if uses_gpu else []
    if any(gpus):
        cpus = min(_share(node, each) for node, each in zip(nodes, gpus, strict=True) if each)
        return Pool(min(sum(gpus), parts), cpus, 1, max(gpus))
    cores = [int(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1]
    if not cores:
        raise StartupError("No machine of the cluster has a core. Add one, or leave out --address.")
    each = _choose_cores(cores)
    counts = [core // each for core in cores]
    return Pool(min(sum(counts), parts), each, 0, max(counts))


def _choose_cores(cores: list[int]) -> int:
    """Choose the cores of an actor: as many as can be, if few are left over.

    A small machine beside large ones, as a head node is, does not make all actors small.
    """
    sizes = sorted({min(CORES_PER_ACTOR, core) for core in cores}, reverse=True)
    used = {each: sum(core // each * each for core in cores) for each in sizes}
    return next(each for each in sizes if used[each] >= MIN_USED * max(used.values()))


def _share(node: dict[str, float], actors: int) -> int:
    """Share the cores of a machine."""
    return max(1, int(node.get("CPU", 0)) // actors)
