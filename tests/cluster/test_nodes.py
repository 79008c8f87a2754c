"""A node that is drained, killed, unplugged, cut off; and the head's death. Each under load."""

import time
from collections import Counter
from itertools import pairwise

import httpx

from tests.cluster.conftest import LEAD_S, deploy, list_nodes, run_load, wait_until
from tests.support.load import CUT, LATE, REFUSED, Load, Outcome
from tests.support.nodes import GCS_PORT, Cluster, Node, make_cluster

CLIENTS = 9
SERVED_AGAIN_S = 15.0
TYPED = {503, 504}


def list_replicas(cluster: Cluster) -> Counter[tuple[str, str]]:
    """Count the replicas that run, by deployment and address."""
    token = cluster.head.environment["RAY_AUTH_TOKEN"]
    url = f"{cluster.dashboard}/api/serve/applications/"
    told = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).json()
    deployments = told["applications"]["vitrine"]["deployments"]
    return Counter(
        (name, replica["node_ip"])
        for name, one in deployments.items()
        for replica in one["replicas"]
        if replica["state"] == "RUNNING"
    )


def measure_longest_gap(load: Load) -> float:
    """Measure the longest time without a good answer."""
    good = sorted(one.ended for one in load.outcomes if one.result == 200)
    return max(later - earlier for earlier, later in pairwise(good))


def list_lost(load: Load, gone: Node) -> list[Outcome]:
    """List what was lost; not what was sent to a front that was gone, before that was noticed."""
    return [
        one
        for one in load.list_failed()
        if not (one.result == REFUSED and one.front == gone.address)
    ]


def check_only_in_flight_is_lost(load: Load, gone: Node) -> None:
    """At most one request of each client is lost, typed or with its connection."""
    lost = list_lost(load, gone)
    told = [(one.front, one.result, round(one.seconds, 1)) for one in lost]
    assert {one.result for one in lost} <= TYPED | {CUT, LATE}, told
    assert {one.front for one in lost if one.result in (CUT, LATE)} <= {gone.address}, told
    assert len(lost) <= CLIENTS, told
    assert measure_longest_gap(load) < SERVED_AGAIN_S


def has_replicas(cluster: Cluster, count: int, *nodes: Node) -> bool:
    """Tell whether so many replicas of each kind run, all of them on these nodes."""
    found = list_replicas(cluster)
    kinds = Counter[str]()
    for (name, _), number in found.items():
        kinds[name] += number
    places = {address for _, address in found}
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
    assert {address for _, address in list_replicas(two_nodes)} == {two_nodes.head.address}


def test_a_killed_node_loses_what_it_had_in_flight(three_nodes: Cluster) -> None:
    """Its replicas come back on the others; then one is unplugged, which sends no reset."""
    cluster, (first, second) = three_nodes, three_nodes.workers

    def kill(_: Load) -> None:
        first.kill()
        wait_until(lambda: has_replicas(cluster, 3, cluster.head, second))
        time.sleep(LEAD_S)

    check_only_in_flight_is_lost(run_load(cluster, kill, CLIENTS), first)
    cluster.workers.remove(first)

    def unplug(_: Load) -> None:
        second.cut()
        second.kill()
        time.sleep(45)

    check_only_in_flight_is_lost(run_load(cluster, unplug, CLIENTS), second)


def test_a_node_that_is_cut_off_comes_back() -> None:
    """For 20 s nothing passes to or from it; both fronts serve again, and all replicas run."""
    with make_cluster(2) as cluster:
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
        lost = list_lost(load, node)
        assert {one.result for one in lost} <= TYPED | {CUT, LATE}
        assert len(lost) <= CLIENTS, lost
        assert measure_longest_gap(load) < SERVED_AGAIN_S
        ends = max(one.ended for one in load.outcomes)
        assert {one.front for one in load.outcomes if one.ended > ends - 5} == {
            one.address for one in cluster.nodes
        }


def test_the_other_nodes_serve_on_without_the_head() -> None:
    """For longer than the minute that Ray gives them; only what the head had in flight is lost."""
    with make_cluster(2) as cluster:
        deploy(cluster)

        def kill(_: Load) -> None:
            cluster.head.kill()
            time.sleep(75)

        check_only_in_flight_is_lost(run_load(cluster, kill, CLIENTS), cluster.head)
