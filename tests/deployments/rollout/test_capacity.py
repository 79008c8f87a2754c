"""Whether replicas fit into nodes."""

import pytest

from app.deployments.rollout.capacity import Demand, find_shortage


@pytest.mark.parametrize(
    ("demand", "nodes"),
    [
        (Demand(1, 1), [(2, 0)]),
        (Demand(1, 3), [(2, 0), (2, 0)]),
        (Demand(1, 2, gpus_each=1), [(1, 0), (2, 2)]),
        (Demand(0, 10, gpus_each=0.1), [(16, 1)]),
        (Demand(0, 2, gpus_each=2), [(4, 4)]),
        (Demand(2, 2, 0, 1), [(2, 0), (0, 1), (0, 1)]),
    ],
)
def test_replicas_fit(demand: Demand, nodes: list[tuple[float, float]]) -> None:
    """Each of them on a node that has room."""
    assert find_shortage(demand, nodes) is None


@pytest.mark.parametrize(
    ("demand", "nodes"),
    [
        (Demand(1, 2), [(2, 0)]),
        (Demand(0, 1, gpus_each=1), [(4, 0)]),
        (Demand(0, 1, gpus_each=2), [(4, 1), (4, 1)]),
        (Demand(0, 2, gpus_each=0.6), [(4, 1)]),
        (Demand(0, 1, gpus_each=1), [(4, 0), (0, 4)]),
        (Demand(2, 1, 0, 1), [(1, 0), (0, 1)]),
        (Demand(0, 2), [(1.5, 0), (0.5, 0)]),
    ],
)
def test_replicas_do_not_fit(demand: Demand, nodes: list[tuple[float, float]]) -> None:
    """A sum that is enough is not enough if no node has room."""
    assert "are needed at once, and the nodes have" in str(find_shortage(demand, nodes))
