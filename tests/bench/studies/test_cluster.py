"""The simulated cluster of the scaling study: its clock, its parts, and what a dead node costs."""

import asyncio
import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest
from ray.serve._private import constants

from app.deployments import handle_backend
from app.deployments.serve_environment import VARIABLES
from bench.kit.results import RESULTS, Record
from bench.studies import cluster, cluster_ingress
from bench.studies.cluster import Cluster
from bench.studies.cluster_classifier import Shape, SimulatedClassifier
from bench.studies.cluster_parts import Cores, Costs, LeastConnections
from bench.studies.cluster_simulation import Loss, Offer, Outcome, offer_load, simulate
from bench.studies.planned_clusters import make_driver_shape
from bench.studies.policies import FAST
from bench.studies.simulated_clock import run_simulated

POLICY = RESULTS / "2026-11-22-policy.json"
SMALL = Shape(3, 6, 3, FAST)


def test_an_hour_takes_no_time() -> None:
    """The clock jumps to what is due next, and work for one core is done in turn."""

    async def work() -> float:
        core = Cores()
        await asyncio.gather(core.work(1000), core.work(2000), asyncio.sleep(3600))
        assert core.busy_s == 3
        return asyncio.get_running_loop().time()

    started = time.perf_counter()
    assert run_simulated(work()) == pytest.approx(3600)
    assert time.perf_counter() - started < 1


def test_what_never_comes_is_an_error() -> None:
    """A simulation that waits for nothing ends."""
    with pytest.raises(RuntimeError, match="waits"):
        run_simulated(asyncio.Event().wait())


def test_a_front_takes_the_server_with_the_fewest_connections() -> None:
    """Of equals the one that waits longest; not the avoided one, and none that is out."""
    servers = LeastConnections([0, 1, 2])
    assert [servers.take() for _ in range(4)] == [0, 1, 2, 0]
    servers.close(2)
    assert servers.take() == 2
    assert servers.take(avoided=1) == 2
    servers.out[1] = math.inf
    servers.close(0)
    assert servers.take() == 0
    servers.out[:] = 0
    assert servers.take() == 1
    assert LeastConnections([2, 0, 1]).take() == 2
    alone = LeastConnections([0])
    assert (alone.take(avoided=0), alone.take()) == (None, 0)


@pytest.mark.parametrize(("as_it_was", "batches"), [(True, 5), (False, 2)])
def test_a_batch_that_waits_grows_only_behind_the_gate(
    as_it_was: bool,  # noqa: FBT001 - a parameter
    batches: int,
) -> None:
    """`@serve.batch` without a wait makes each group that comes alone a batch of its own."""

    async def score() -> SimulatedClassifier:
        classifier = SimulatedClassifier(Shape(1, 1, 1, FAST, as_it_was=as_it_was))
        await asyncio.gather(*(classifier.score(4) for _ in range(5)))
        return classifier

    classifier = run_simulated(score())
    assert (classifier.groups, classifier.images, classifier.batches) == (5, 20, batches)


def test_ingresses_share_what_the_classifiers_can_hold() -> None:
    """Eight batches a classifier in all."""

    async def flood() -> int:
        first = Cluster(Shape(1, 4, 2, FAST), seed=1).ingresses[0]
        answers = (first.answer() for _ in range(600))
        return (await asyncio.gather(*answers, return_exceptions=True)).count(None)

    assert run_simulated(flood()) == 8 * 32 * 2 / 4


@pytest.mark.parametrize("shape", [SMALL, replace(SMALL, as_it_was=True)])
def test_each_request_has_one_fate(shape: Shape) -> None:
    """Under overload too; and runs repeat."""
    offer = Offer(4000, 0.7, 0.2)
    found = simulate(shape, offer)
    fates = found["fates"]
    assert sum(fates.values()) == found["requests"] > 2000
    assert min(fates["answered"], fates["refused"]) > 100
    assert fates["cut"] == fates["failed"] == 0
    assert simulate(shape, offer) == found


def lose(loss: Loss) -> tuple[int, list[Outcome], Cluster]:
    """Lose a node; gives the requests in flight at its front, the outcomes and the cluster."""

    async def run() -> tuple[int, list[Outcome], Cluster]:
        dying, held = Cluster(SMALL, seed=1), list[int]()
        front = dying.fronts[0]
        asyncio.get_running_loop().call_at(loss.at_s, lambda: held.append(len(front.held)))
        outcomes = await offer_load(dying, Offer(1500, 2, loss=loss))
        return held[0], outcomes, dying

    return run_simulated(run())


def test_a_dead_node_costs_what_its_front_held() -> None:
    """Small requests that its ingresses held are sent again, and groups to another classifier."""
    held, outcomes, dying = lose(Loss(0.8, 1.5, unseen_s=0, large=0))
    cut = [(due, ms) for due, ms, fate in outcomes if fate == "cut"]
    assert len(cut) == held > 5
    assert all(due + ms / 1000 == pytest.approx(0.8) for due, ms in cut)
    assert {fate for *_, fate in outcomes} == {"answered", "cut"}
    assert sum(front.retried for front in dying.fronts) > 5
    assert sum(ingress.router.retried for ingress in dying.ingresses) > 0


def test_a_large_body_is_not_sent_again() -> None:
    """It is cut with the ingress that held it; those who come to the dead front fail."""
    held, outcomes, _ = lose(Loss(0.8, 1.5, unseen_s=0.2, large=1))
    cut = [due for due, _, fate in outcomes if fate == "cut"]
    failed = [due for due, _, fate in outcomes if fate == "failed"]
    assert len(cut) > held
    assert max(cut) < 0.8
    assert all(0.8 <= due < 1.0 for due in failed)
    assert len(failed) == pytest.approx(1500 * 0.2 / 3, rel=0.3)


def test_rules_are_those_of_the_service() -> None:
    """Pauses, retries and limits are what the service and the installed Serve have."""
    assert cluster_ingress.PAUSES_S == handle_backend.PAUSES_S
    assert cluster.ERROR_LIMIT == constants.RAY_SERVE_HAPROXY_OBSERVE_ERROR_LIMIT
    values = {variable.name: variable.value for variable in VARIABLES}
    assert str(cluster.RETRIES) == values["RAY_SERVE_HAPROXY_RETRIES"]


def count(cell: Record) -> tuple[float, float, float]:
    """Count in a second of the policy study: 1, batches, images."""
    return 1.0, cell["answered"] / cell["batch"], cell["answered"]


def test_costs_are_those_of_the_policy_study() -> None:
    """Plain `@serve.batch` sends each image as a group; with the group rule a batch is a group."""
    cells = json.loads(POLICY.read_text())["policies"]
    plain = [cell for cell in cells if cell["name"].startswith("plain")]
    grouped = [cell for cell in cells if cell["name"].startswith("groups")]

    def fit(key: str, rows: list[Record], columns: int) -> list[float]:
        known = np.array([count(row)[:columns] for row in rows])
        return list(1000 * np.linalg.lstsq(known, np.array([row[key] for row in rows]))[0])

    costs = Costs()
    assert costs.sent_group == pytest.approx(fit("driver_cpu", plain, 3)[2], rel=0.05)
    assert costs.group == pytest.approx(fit("classifier_cpu", plain, 3)[2], rel=0.05)
    batch = fit("classifier_cpu", grouped, 2)[1] - costs.group
    assert costs.batch == pytest.approx(batch, rel=0.05)


def test_one_ingress_gets_what_was_measured() -> None:
    """The kept run of the policy study, with the real Serve, is met within a quarter."""
    shape = replace(make_driver_shape(1), as_it_was=True)
    cells = json.loads(POLICY.read_text())["policies"]
    for cell in [cell for cell in cells if cell["name"] == "groups, W = 2"]:
        found = simulate(shape, Offer(cell["offered"], 3.5, 0.5))
        for key in ("goodput", "p50_ms", "p99_ms", "batch"):
            assert found[key] == pytest.approx(cell[key], rel=0.25)
