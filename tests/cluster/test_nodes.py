"""A node that is drained, killed, unplugged, cut off; and the head's death. Each under load."""

import time
from collections import Counter
from itertools import pairwise

from tests.cluster.conftest import LEAD_S, deploy, list_nodes, open_cluster, run_load, wait_until
from tests.support.load import CUT, LATE, REFUSED, Load, Outcome
from tests.support.nodes import GCS_PORT, Cluster, Node

CLIENTS = 9
TYPED = {503, 504}

NOTICED_S = 3.0
"""Seconds until the load balancer sends nothing more to a front that is gone."""

SERVED_AGAIN_S = 15.0
"""Seconds for which another front may have no good answer: twice the 6 s after which what waits
for a replica that is gone is sent again (at an ingress, then at a classifier), and a little."""

ANSWERED_S = 25.0
"""Seconds that a good answer of another front may take, unless the node comes back: what is sent
again may come to others that are gone, 2 s each, three times before HAProxy takes one for down."""

TOLD_S = 55.0
"""Seconds that an error of another front may take: what is sent again has its whole deadline of
30 s once more."""


def check_only_in_flight_is_lost(load: Load, gone: Node) -> None:
    """At most one request of each client is lost, typed or with its connection.

    That is beside what the load balancer sent to the front that was gone before it noticed.
    """
    failed = load.list_failed()
    refused = [one for one in failed if one.result == REFUSED and one.front == gone.address]
    lost = [one for one in failed if one not in refused]
    told = describe(failed, gone)
    assert all(gone.lost <= one.ended for one in refused), told
    assert all(one.started <= gone.lost + NOTICED_S for one in refused), told
    assert {one.result for one in lost} <= TYPED | {CUT, LATE}, told
    assert {one.front for one in lost if one.result in (CUT, LATE)} <= {gone.address}, told
    assert len(lost) <= CLIENTS, told


def check_others_serve_on(load: Load, gone: Node, answered_s: float = ANSWERED_S) -> None:
    """Every other front answers again in seconds, and nothing waits there for long."""
    for front, _ in load.fronts:
        if front != gone.address:
            here = [one for one in load.outcomes if one.front == front]
            good = [one for one in here if one.result == 200]
            slow = describe([one for one in here if one.seconds > 4], gone)
            assert measure_longest_gap(load, good) < SERVED_AGAIN_S, front
            assert max(one.seconds for one in good) < answered_s, slow
            assert max(one.seconds for one in here) < TOLD_S, slow


def measure_longest_gap(load: Load, good: list[Outcome]) -> float:
    """Measure the longest time without one of these answers, from the first request to the end."""
    began = min(one.started for one in load.outcomes)
    moments = sorted((began, *(one.ended for one in good), load.stopped))
    return max(later - earlier for earlier, later in pairwise(moments))


def describe(outcomes: list[Outcome], gone: Node) -> list[tuple[str, int | str, float, float]]:
    """Describe outcomes: front, result, seconds, and the start in seconds since a node was lost."""
    return [
        (one.front, one.result, round(one.seconds, 1), round(one.started - gone.lost, 1))
        for one in outcomes
    ]


def has_replicas(cluster: Cluster, count: int, *nodes: Node) -> bool:
    """Tell whether so many replicas of each kind run, all of them on these nodes."""
    found = cluster.list_replicas()
    kinds = Counter(one.deployment for one in found)
    places = {one.address for one in found}
    return kinds == {"Ingress": count, "Classifier": count} and places <= {
        node.address for node in nodes
    }


def test_a_drained_node_loses_nothing(two_nodes: Cluster) -> None:
    """Its replicas start elsewhere first, and its front says that it leaves before it does."""
    node = two_nodes.workers[0]
    (node_id,) = [name for name, at in list_nodes(two_nodes).items() if at == node.address]
    words = ("--node-id", node_id, "--reason", "DRAIN_NODE_REASON_PREEMPTION")
    more = ("--reason-message", "test", "--deadline-remaining-seconds", "120")
    address = f"{two_nodes.head.address}:{GCS_PORT}"

    def drain(load: Load) -> None:
        two_nodes.head.run("ray", "drain-node", "--address", address, *words, *more)
        wait_until(lambda: len(load.healthy) == 1)
        time.sleep(35)  # it goes on for 30 s, for load balancers that are slow to notice

    load = run_load(two_nodes, drain)
    assert load.list_failed() == []
    assert {one.address for one in two_nodes.list_replicas()} == {two_nodes.head.address}


def test_a_killed_node_loses_what_it_had_in_flight(three_nodes: Cluster) -> None:
    """Its replicas come back on the others; then one is unplugged, which sends no reset."""
    cluster, (first, second) = three_nodes, three_nodes.workers

    def kill(_: Load) -> None:
        first.kill()
        wait_until(lambda: has_replicas(cluster, 3, cluster.head, second))
        time.sleep(LEAD_S)

    load = run_load(cluster, kill, CLIENTS)
    check_only_in_flight_is_lost(load, first)
    check_others_serve_on(load, first)
    cluster.workers.remove(first)

    def unplug(_: Load) -> None:
        second.cut()
        second.kill()
        time.sleep(45)

    load = run_load(cluster, unplug, CLIENTS)
    check_only_in_flight_is_lost(load, second)
    check_others_serve_on(load, second)


def test_a_node_that_is_cut_off_comes_back() -> None:
    """For 20 s nothing passes to or from it; both fronts serve again, and all replicas run."""
    with open_cluster(2) as cluster:
        deploy(cluster)
        node = cluster.workers[0]

        def cut(load: Load) -> None:
            node.cut()
            time.sleep(20)
            node.join()
            wait_until(lambda: len(load.healthy) == 2)
            wait_until(lambda: has_replicas(cluster, 2, *cluster.nodes))
            time.sleep(35)  # what waits for its deadline is told too

        load = run_load(cluster, cut, CLIENTS)
        check_only_in_flight_is_lost(load, node)
        # What a classifier had on that node is answered when it is back, within its deadline.
        check_others_serve_on(load, node, answered_s=TOLD_S)
        late = [one for one in load.outcomes if load.stopped - 5 < one.ended < load.stopped]
        assert {one.front for one in late} == {one.address for one in cluster.nodes}
        assert {one.result for one in late} == {200}


def test_the_other_nodes_serve_on_without_the_head() -> None:
    """For longer than the minute that Ray gives them; only what the head had in flight is lost."""
    with open_cluster(2) as cluster:
        deploy(cluster)

        def kill(_: Load) -> None:
            cluster.head.kill()
            time.sleep(75)

        load = run_load(cluster, kill, CLIENTS)
        check_only_in_flight_is_lost(load, cluster.head)
        check_others_serve_on(load, cluster.head)
