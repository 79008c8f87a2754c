"""What is collected of replicas that answer, fail, hang or are not there."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import DeploymentUnavailableError

from app.deployments.collect_metrics import METHOD, MetricsCollector
from app.observability.metrics import Snapshot
from tests.support.handles import DEFECT, GONE

A, B, C = (Snapshot("Ingress", name, []) for name in "abc")
TIMEOUT_S = 0.2
HANGS = object()


class Call:
    """Serve's call to one replica."""

    def __init__(self, outcome: object) -> None:
        self._outcome = outcome

    async def get_async(self) -> object:
        """Wait for the outcome."""
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        if self._outcome is HANGS:
            await asyncio.sleep(60)
        return self._outcome


class Handle:
    """A Serve handle of replicas that have these outcomes, or of none for this reason."""

    def __init__(self, *outcomes: object, none: object = None) -> None:
        self._outcomes = outcomes
        self._none = none

    def broadcast(self, method: str) -> "Handle":
        """Call all replicas."""
        assert method == METHOD
        return self

    async def _fetch_replica_results_async(self) -> list[Call]:
        """List the calls."""
        if isinstance(self._none, Exception):
            raise self._none
        if self._none is HANGS:
            await asyncio.sleep(60)
        return [Call(outcome) for outcome in self._outcomes]


async def collect(**handles: Handle) -> tuple[list[str], Mapping[str, int]]:
    """Collect, in little time; gives the names of replicas."""
    started = time.monotonic()
    typed: dict[str, Any] = dict(handles)
    snapshots, silent = await MetricsCollector(typed, TIMEOUT_S).collect()
    assert time.monotonic() - started < 10 * TIMEOUT_S
    return [one.replica for one in snapshots], silent


async def test_every_replica_is_asked() -> None:
    """Of all deployments."""
    found, silent = await collect(Ingress=Handle(A, B), Classifier=Handle(C))
    assert found == ["a", "b", "c"]
    assert silent == {"Ingress": 0, "Classifier": 0}


@pytest.mark.parametrize(
    "fault", [HANGS, GONE, DEFECT, grpc.RpcError(), ZeroDivisionError(), asyncio.CancelledError()]
)
async def test_a_replica_that_does_not_answer_is_told(fault: object) -> None:
    """It costs the others nothing, and the scrape a bounded time."""
    found, silent = await collect(Ingress=Handle(A, fault, B), Classifier=Handle(C))
    assert found == ["a", "b", "c"]
    assert silent == {"Ingress": 1, "Classifier": 0}


@pytest.mark.parametrize(
    ("reason", "count"), [(DeploymentUnavailableError(DeploymentID("Classifier")), 0), (HANGS, 1)]
)
async def test_a_deployment_may_have_no_replica(reason: object, count: int) -> None:
    """As one that has scaled to zero; one that cannot be asked has at least one that is silent."""
    found, silent = await collect(Ingress=Handle(A), Classifier=Handle(none=reason))
    assert found == ["a"]
    assert silent == {"Ingress": 0, "Classifier": count}


async def test_concurrent_scrapes_share_what_is_collected() -> None:
    """Two scrapers cost what one does; the next scrape collects anew, also after one that left."""
    handle = Handle(A, HANGS)
    asked = 0

    def broadcast(method: str) -> Handle:
        nonlocal asked
        asked += 1
        return Handle.broadcast(handle, method)

    handle.broadcast = broadcast  # type: ignore[method-assign]
    handles: dict[str, Any] = {"Ingress": handle}
    collector = MetricsCollector(handles, TIMEOUT_S)
    first = asyncio.create_task(collector.collect())
    await asyncio.sleep(0)
    second = asyncio.create_task(collector.collect())
    await asyncio.sleep(TIMEOUT_S / 4)
    first.cancel()
    snapshots, silent = await second
    assert ([one.replica for one in snapshots], silent, asked) == (["a"], {"Ingress": 1}, 1)
    await collector.collect()
    assert asked == 2
